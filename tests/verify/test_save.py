"""Proofs on the way to a file, and on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from caffe_bn_convert import UsageError, VerificationError, convert
from caffe_bn_convert.cli import run
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.rectifier import ReLU
from tests.nets import write_net
from tests.verify.damage import CLASSIFIER, change, converted, damaged, node, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


class Slopeless(ReLU):
    """A ReLU that forgets its slope."""

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        return [e.op("Relu", x[0].name)]


@pytest.fixture
def files(tmp_path):
    return write_net(tmp_path, CLASSIFIER, weights())


@pytest.fixture
def wrong(files):
    return convert(*files, layers={**LAYERS, "ReLU": Slopeless})


def test_a_sound_file_is_put_in_place(files, tmp_path):
    told = []
    convert(*files).save(tmp_path / "out.onnx", verify=True, tell=told.append)
    assert (tmp_path / "out.onnx").exists()
    assert [report.verdict for report in told] == ["proven"]
    assert told[0].model.endswith("out.onnx")


def test_a_wrong_file_leaves_what_was_there_before(wrong, tmp_path):
    (tmp_path / "out.onnx").write_text("before")
    with pytest.raises(VerificationError, match="does not compute what Caffe computes") as caught:
        wrong.save(tmp_path / "out.onnx", verify=True)
    assert (tmp_path / "out.onnx").read_text() == "before"
    assert not list(tmp_path.glob(".*.tmp"))
    assert caught.value.report is not None
    assert caught.value.report.divergence.where.layer == "relu"
    assert caught.value.exit_code == 1


def test_a_wrong_file_can_be_kept_under_another_name(wrong, tmp_path):
    with pytest.raises(VerificationError):
        wrong.save(tmp_path / "out.onnx", verify=True, keep_failed=True)
    assert not (tmp_path / "out.onnx").exists()
    onnx.checker.check_model(tmp_path / "out.onnx.failed")


def test_without_proof_anything_goes(wrong, tmp_path):
    wrong.save(tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").exists()


def command(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def test_convert_says_what_was_proven(files, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert command("convert", *files, "-o", tmp_path / "out.onnx", "--report", report) == 0
    assert "proven: 1 output and 6 inner blobs" in capsys.readouterr().err
    assert len(json.loads(report.read_text())["statistics"]) == 1


def test_convert_on_the_users_input(files, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.ones((1, 3, 9, 7), np.float32))
    arguments = ["convert", *files, "-o", tmp_path / "out.onnx", "--input", f"data={tmp_path / 'x.npy'}", "-v"]
    assert command(*arguments) == 0
    assert "on 1 input," in capsys.readouterr().err
    np.savez(tmp_path / "y.npz", prob=np.full((1, 5), 0.2, np.float32))
    assert command(*arguments, "--expect", tmp_path / "y.npz") == 1
    assert "--expect: prob" in capsys.readouterr().err


def test_no_verify(files, tmp_path, capsys):
    assert command("convert", *files, "-o", tmp_path / "out.onnx", "--no-verify") == 0
    assert "proven" not in capsys.readouterr().err


def test_a_report_of_an_unknown_kind_is_refused_before_the_work(files, tmp_path, capsys):
    assert command("convert", *files, "-o", tmp_path / "out.onnx", "--report", "x.pdf") == 2
    assert not (tmp_path / "out.onnx").exists()
    assert "of what kind" in capsys.readouterr().err


def test_a_provider_that_is_not_there(files, tmp_path, capsys):
    assert command("convert", *files, "-o", tmp_path / "out.onnx", "--provider", "rocm") == 6
    assert "onnxruntime-rocm" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_verify_of_any_file(tmp_path, capsys):
    conversion, path = converted(tmp_path)
    files = (tmp_path / "model.prototxt", tmp_path / "weights.caffemodel")
    assert conversion.net.file == str(files[0])
    assert command("verify", *files, path) == 0
    assert capsys.readouterr().err.startswith("proven: 1 output on 18 inputs")
    bad = damaged(path, lambda m: change(node(m, "Gemm").input[2], lambda v: v * 1.01)(m))
    assert command("verify", *files, bad, "--report", tmp_path / "r.html") == 1
    assert 'layer "fc" (InnerProduct)' in capsys.readouterr().err
    assert (tmp_path / "r.html").exists()
    assert command("verify", files[0], files[0], files[0], files[0]) == 2
    assert command("verify", *files, path, "--mean", "a,b", "--input", "x.png") == 2


def test_a_proof_without_a_file(files):
    report = convert(*files).verify(provider="cpu", seed=3)
    assert report.passed
    with pytest.raises(UsageError, match='verification has no option "sede"'):
        convert(*files).verify(sede=3)
