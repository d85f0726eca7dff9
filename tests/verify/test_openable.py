from __future__ import annotations

import os
import sys

import pytest

from caffe_bn_convert import UsageError
from caffe_bn_convert.verify import Options
from caffe_bn_convert.verify.openable import openable
from tests.verify.damage import converted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")


def test_a_usual_path_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with openable(tmp_path.relative_to(tmp_path) / "out.onnx") as path:
        assert path == tmp_path / "out.onnx"


@pytest.mark.parametrize("weights", ["embed", "external"])
def test_a_folder_that_is_no_utf8(tmp_path, weights, monkeypatch):
    folder = tmp_path / os.fsdecode(b"f\xff")
    folder.mkdir()
    conversion, _ = converted(folder)
    conversion.save(folder / "out.onnx", weights, verify=True)
    monkeypatch.chdir(folder)
    assert conversion.verify("out.onnx").verdict == "proven"


def test_a_file_that_is_no_utf8(tmp_path):
    conversion, _ = converted(tmp_path)
    path = tmp_path / os.fsdecode(b"\xfe.onnx")
    conversion.save(path, verify=True)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match="no UTF-8"):
        conversion.save(path, "external")
    assert sorted(tmp_path.iterdir()) == before


def test_opencv_reads_it_too(tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV does not read Caffe")
    folder = tmp_path / os.fsdecode(b"f\xff")
    folder.mkdir()
    conversion, path = converted(folder)
    sources = (folder / "model.prototxt", folder / "weights.caffemodel")
    report = conversion.verify(path, Options(against=("opencv",), sources=sources))
    assert [(check.name, check.status) for check in report.checks] == [("opencv: prob", "pass")]
