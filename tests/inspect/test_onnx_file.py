from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.errors import UnreadableError
from caffe_bn_convert.front import convert
from caffe_bn_convert.inspect import inspect_net
from caffe_bn_convert.inspect.onnx_file import inspect_onnx
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = FIXTURES / "digits"


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    conversion = convert(DIGITS / "deploy.prototxt", DIGITS / "digits.caffemodel")
    path = tmp_path / "digits.onnx"
    path.write_bytes(conversion.to_onnx().SerializeToString())
    return path


def test_it_agrees_with_the_caffe_net(converted: Path) -> None:
    ours = inspect_onnx(converted)
    caffe = inspect_net(DIGITS / "deploy.prototxt", [DIGITS / "digits.caffemodel"])
    scales = sum(row.macs or 0 for row in caffe.rows if row.type == "Scale")
    assert ours.macs == caffe.macs - scales
    assert [each.mean for each in ours.statistics] == [pytest.approx(each.mean) for each in caffe.statistics]
    assert [each.gamma for each in ours.statistics] == [pytest.approx(each.gamma) for each in caffe.statistics]
    assert [(value.name, value.shape) for value in ours.inputs] == [("data", (1, 1, 8, 8))]


def test_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(UnreadableError, match="no ONNX file"):
        inspect_onnx(path)
