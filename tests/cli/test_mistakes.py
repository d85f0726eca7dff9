"""What people get wrong at the terminal, and what they are told."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.cli import run
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

NET, WEIGHTS = "deploy.prototxt", "digits.caffemodel"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the digits net, to be in."""
    for name in (NET, WEIGHTS, "train_val.prototxt"):
        shutil.copy(FIXTURES / "digits" / name, tmp_path)
    text = (tmp_path / NET).read_text("utf-8")
    (tmp_path / "typo.prototxt").write_text(text.replace("num_output", "num_ouput", 1), "utf-8")
    (tmp_path / "pointer.onnx").write_text(LFS, "utf-8")
    np.save(tmp_path / "one.npy", np.float32(3))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.savez(tmp_path / "cut.npz", data=np.zeros((1, 1, 8, 8), np.float32))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:150])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (f"{WEIGHTS} {NET} -o x.onnx", 3, "The .prototxt comes first, then the .caffemodel."),
        (f"{WEIGHTS} -o x.onnx", 3, "is a .caffemodel, not a .prototxt"),
        (f"{NET} -o x.onnx", 5, '19 layers need weights ("conv1", "bn_conv1", "scale_conv1", …), and no weights were given'),
        (f"{NET} {WEIGHTS} -o x.onnx --shape dat=1x1x8x8", 2, '"dat", which is no input; the inputs are data'),
        (f"{NET} {WEIGHTS} -o x.onnx --atol nan", 2, "nan is no tolerance"),
        (f"{NET} {WEIGHTS} -o x.onnx --atol -1", 2, "-1.0 is no tolerance"),
        (f"{NET} {WEIGHTS} -o x.onnx --rtol inf", 2, "inf is no tolerance"),
        (f"{NET} {WEIGHTS} -o x.onnx --seed -1", 2, "-1 is not in the range x>=0"),
        (f"{NET} {WEIGHTS} -o x.onnx --no-verify --report x.html", 2, "--report is about the proof, which --no-verify"),
        (f"{NET} {WEIGHTS} -o x.onnx --input {WEIGHTS}", 3, "it is neither .npy nor .npz, or holds Python objects"),
        (f"{NET} {WEIGHTS} -o x.onnx --input cut.npz", 3, "cut.npz: cannot be read"),
        (f"{NET} {WEIGHTS} -o x.onnx --input dat=words.npy", 2, 'the net has no input "dat"; its inputs are data'),
        (f"{NET} {WEIGHTS} -o x.onnx --input one.npy --expect one.npy", 3, "one.npy: is not an .npz file"),
        (f"{NET} {WEIGHTS} -o x.onnx --input one.npy", 2, "needs 1×1×8×8, the file has one number"),
        (f"{NET} {WEIGHTS} -o x.onnx --input words.npy", 3, "words.npy: holds no real numbers, but <U1"),
        (f"--config nope.toml {NET} {WEIGHTS} -o x.onnx", 3, "nope.toml: cannot be read: No such file or directory\n"),
        (f"{NET} {WEIGHTS} -o x.onnx --bach 2", 2, "Did you mean '--batch'?"),
        (f"typo.prototxt {WEIGHTS} -o x.onnx", 4, 'did you mean "num_output"?'),
        (f"verfy {NET} {WEIGHTS} x.onnx", 2, 'did you mean "verify"?'),
        (f"verify {NET} x.onnx", 3, "x.onnx: there is no such file"),
        (f"verify {NET} {WEIGHTS} pointer.onnx", 3, "is a Git LFS pointer, not an ONNX file"),
        (f"verify {NET} x.onnx {WEIGHTS}", 3, "The ONNX file comes last"),
    ],
)  # fmt: skip
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, told: str) -> None:
    assert run(arguments.split()) == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) <= 5


def test_verify_without_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cbc.convert(NET, WEIGHTS).save(folder / "x.onnx")
    assert run(["verify", NET, "x.onnx"]) == 5
    assert 'deploy.prototxt:8: layer "conv1" (Convolution): NET001' in capsys.readouterr().err


def test_what_is_wrong_is_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cbc.convert(NET, WEIGHTS).save(folder / "x.onnx")
    text = (folder / NET).read_text("utf-8").replace("pool: AVE", "pool: MAX")
    (folder / "other.prototxt").write_text(text, "utf-8")
    assert run(["verify", "other.prototxt", WEIGHTS, "x.onnx"]) == 1
    assert capsys.readouterr().err.count("first wrong blob") == 1


def test_folded_into_convolutions_is_folded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag, count in (("--fold-into-conv", 6), ("--no-fold", 0)):
        assert run([NET, WEIGHTS, "-o", "x.onnx", "--no-verify", flag]) == 0
        assert f"29 layers, {count} BatchNorm folded" in capsys.readouterr().err


def test_a_conversion_is_short_in_a_notebook(folder: Path) -> None:
    assert repr(cbc.convert(NET, WEIGHTS)) == "<Conversion of deploy.prototxt: data -> prob, 22 nodes, TEST>"
