"""How the answers of a file are judged behind layers that jump."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.verify.binding import Bound
from caffe_bn_convert.verify.judge import Judge
from caffe_bn_convert.verify.tolerance import Rule
from caffe_bn_convert.verify.walk import Visit
from tests.nets import input_layer, layer, write_net

KEYS = ("box", "score")
RIGHT = np.linspace(-1, 1, 40).reshape(1, 40)
OTHER = RIGHT[:, ::-1] * 0.5
"""What follows when a layer that jumps has chosen otherwise."""


@pytest.fixture
def judge():
    return Judge([Bound(key, key) for key in KEYS], Rule(), KEYS)


@pytest.fixture
def definition(tmp_path):
    return read_net(write_net(tmp_path, input_layer(1, 40) + layer("Power", "y"))[0]).layers[-1]


def see(judge, definition, exact, optimised, **again):
    """Both outputs, both behind the jump; ``optimised`` is what the optimised file has for each."""
    for key in KEYS:
        rounded = exact.astype(np.float32)
        visit = Visit(key, definition, 1, exact, rounded, rounded, jumps=False, based=True)
        answers = {True: {key: optimised.astype(np.float32)}}
        judge.see(visit, 0, answers if again else answers | {False: {key: rounded}}, **again)


def statuses(judge):
    return {(result.name, result.optimised): result.status for result in judge.output_results()}


def test_every_output_behind_another_choice_is_asked_again(judge, definition):
    see(judge, definition, RIGHT, OTHER)
    assert judge.flipped == {0}
    assert statuses(judge) == {(key, False): "pass" for key in KEYS}
    see(judge, definition, OTHER, OTHER, again=True)
    assert statuses(judge) == {(key, mode): "pass" for key in KEYS for mode in (False, True)}


def test_what_does_not_follow_from_its_own_choice_is_wrong(judge, definition):
    see(judge, definition, RIGHT, OTHER)
    see(judge, definition, OTHER, OTHER * 1.01, again=True)
    assert statuses(judge) == {(key, mode): "fail" if mode else "pass" for key in KEYS for mode in (False, True)}
