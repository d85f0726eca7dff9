from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from caffe_bn_convert import UsageError
from caffe_bn_convert.verify import Options
from tests.verify.damage import converted


def test_opencv_is_asked(tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV does not read Caffe")
    conversion, path = converted(tmp_path)
    sources = (tmp_path / "model.prototxt", tmp_path / "weights.caffemodel")
    report = conversion.verify(path, Options(against=("opencv",), sources=sources))
    assert [(check.name, check.status) for check in report.checks] == [("opencv: prob", "pass")]


class FakeBlob:
    def __init__(self) -> None:
        self.data = np.zeros(0)

    def reshape(self, *shape: int) -> None:
        self.data = np.zeros(shape)


class FakeNet:
    """Like pycaffe's Net, with a wrong answer."""

    def __init__(self, *arguments: Any) -> None:
        self.blobs = {"data": FakeBlob(), "prob": FakeBlob()}

    def forward(self) -> None:
        assert self.blobs["data"].data.any()
        self.blobs["prob"].reshape(1, 5)


def test_pycaffe_is_asked(tmp_path, monkeypatch):
    caffe = types.ModuleType("caffe")
    caffe.Net, caffe.TEST = FakeNet, 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caffe", caffe)
    conversion, path = converted(tmp_path)
    sources = (tmp_path / "model.prototxt", tmp_path / "weights.caffemodel")
    report = conversion.verify(path, Options(against=("pycaffe",), sources=sources))
    assert report.verdict == "failed"
    assert "expected is 0" in report.checks[0].what


def test_a_witness_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "caffe", None)
    conversion, path = converted(tmp_path)
    with pytest.raises(UsageError, match='"caffe" is not installed'):
        conversion.verify(path, Options(against=("pycaffe",), sources=(path, path)))
    with pytest.raises(UsageError, match="needs one prototxt and one caffemodel"):
        conversion.verify(path, Options(against=("pycaffe",)))
