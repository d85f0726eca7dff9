from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.cli import run
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DIGITS = FIXTURES / "digits"
TRAINING = [str(DIGITS / "train_val.prototxt"), "--shape", "data=1x1x8x8"]


def test_it_writes_a_file_that_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deploy.prototxt"
    assert run(["deploy", *TRAINING, "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert 'layer "loss": SoftmaxWithLoss is left out; Softmax "prob" stays of it' in printed.err
    assert run(["convert", str(out), str(DIGITS / "digits.caffemodel"), "-o", str(tmp_path / "a.onnx"), "-q"]) == 0
    assert not list(tmp_path.glob("*.part"))


def test_as_deploy_is_both_in_one(tmp_path: Path) -> None:
    out = tmp_path / "deploy.prototxt"
    weights = str(DIGITS / "digits.caffemodel")
    assert run(["deploy", *TRAINING, "-o", str(out), "-q"]) == 0
    plain = ["--provenance", "none", "-q", "-o"]
    assert run(["convert", *TRAINING, weights, "--as-deploy", *plain, str(tmp_path / "one.onnx")]) == 0
    assert run(["convert", str(out), weights, *plain, str(tmp_path / "two.onnx")]) == 0
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_without_output_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", *TRAINING]) == 0
    assert capsys.readouterr().out.startswith('name: "digits-resnet"\nlayer {\n  name: "data"\n  type: "Input"\n')


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", *TRAINING, "--diff", "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2].startswith("@@")
    assert '+  type: "Input"' in printed.out
    assert printed.err == ""


def test_shapes_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", TRAINING[0], "--shape", "data=Nx1x8x8"]) == 2
    assert "no dynamic axes" in capsys.readouterr().err
    assert run(["deploy", TRAINING[0], "--batch", "dynamic"]) == 2


def test_a_missing_shape_says_what_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", TRAINING[0]]) == 4
    assert "--shape data=" in capsys.readouterr().err


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    assert run(["deploy", *TRAINING, "-o", str(tmp_path / "no" / "deploy.prototxt"), "-q"]) == 7
