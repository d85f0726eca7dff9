"""Nonsense in the arguments of the library is told apart from nonsense in a net."""

from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.nets import input_layer, layer, write_net


@pytest.fixture
def prototxt(tmp_path):
    return write_net(tmp_path, input_layer(2, 3) + layer("ReLU", "r") + layer("TanH", "t", "r"))[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": "NOPE"}, 'there is no rule "NOPE" to allow'),
        ({"allow": "BN0001"}, "did you mean BN001"),
        ({"allow": 3}, "allow takes names, not 3"),
        ({"until": ["nobody"]}, 'the net has no blob "nobody"'),
        ({"until": 7}, "until takes names, not 7"),
        ({"shapes": {"data": 3}}, 'the shape of "data" is a list of sizes, not 3'),
        ({"shapes": {"data": "2x3"}}, 'the shape of "data" is a list of sizes'),
        ({"opset": "17"}, "opset 17 is not supported"),
        ({"opset": 12}, "choose one from 13 to"),
        ({"weights": ""}, "'' does not name a weights file"),
        ({"weights": "a.caffemodel,"}, "does not name a weights file"),
        ({"weights": []}, "does not name a weights file"),
        ({"phase": "DEPLOY"}, "DEPLOY"),
    ],
)
def test_nonsense_is_a_usage_error(prototxt, options, message):
    with pytest.raises(cbc.UsageError, match=message):
        cbc.convert(prototxt, **options)


def test_one_name_need_not_be_in_a_list(prototxt):
    assert cbc.convert(prototxt, until="r", allow="all").graph.outputs == ("r",)
    assert cbc.convert(prototxt, expose="r").graph.outputs == ("r", "t")
