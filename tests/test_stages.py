"""Listening to the stages of a conversion."""

from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.stages import listen, stage

from .paths import FIXTURES

DIGITS = FIXTURES / "digits"


def test_every_stage_of_a_conversion_is_heard_in_order(tmp_path) -> None:
    with listen() as seconds:
        cbc.convert(DIGITS / "deploy.prototxt", DIGITS / "digits.caffemodel").save(tmp_path / "out.onnx", verify=False)
    assert list(seconds) == ["weights", "parse", "upgrade", "build", "fold", "emit", "check", "write"]
    assert all(value > 0 for value in seconds.values())


def test_the_proof_is_a_stage(tmp_path) -> None:
    with listen() as seconds:
        cbc.convert(DIGITS / "deploy.prototxt", DIGITS / "digits.caffemodel").save(tmp_path / "out.onnx", verify=True)
    assert list(seconds)[-2:] == ["write", "verify"]
    assert seconds["verify"] == max(seconds.values())


def test_a_stage_that_fails_is_heard_and_nobody_need_listen() -> None:
    @stage("fails")
    def fail() -> None:
        raise ValueError

    with listen() as seconds, pytest.raises(ValueError):
        fail()
    with pytest.raises(ValueError):
        fail()
    assert list(seconds) == ["fails"]
