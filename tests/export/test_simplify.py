from __future__ import annotations

import sys

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import UsageError
from tests.nets import input_layer, layer, write_net

RNG = np.random.default_rng(23)
NET = (
    input_layer(2, 3, 7, 9)
    + layer("Convolution", "c", rest="convolution_param { num_output: 4 kernel_size: 3 }")
    + layer("BatchNorm", "bn", "c")
    + layer("ReLU", "y", "bn")
)
BLOBS = {"c": [RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)], "bn": [np.zeros(4), np.full(4, 2.0), np.ones(1)]}


def test_without_onnxslim(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    with pytest.raises(UsageError, match="needs onnxslim"):
        cbc.convert(*write_net(tmp_path, NET, BLOBS), simplify=True).save(tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.filterwarnings("ignore")  # it is somebody else's program
@pytest.mark.parametrize("precision", ["float32", "float16", "float16-weights"])
@pytest.mark.parametrize("batch", [None, "dynamic"])
def test_the_same_numbers_and_proven(tmp_path, batch, precision):
    pytest.importorskip("onnxslim")
    net = write_net(tmp_path, NET, BLOBS)
    plain = cbc.convert(*net)
    slim = cbc.convert(*net, simplify=True, batch=batch, precision=precision)
    slim.save(tmp_path / "out.onnx")
    assert len(slim.model.graph.node) < len(plain.model.graph.node) or precision != "float32"
    if precision != "float32":
        assert any(i.elem_type == 10 for i in slim.model.initializers)
    x = RNG.normal(size=(2, 3, 7, 9)).astype(np.float32)
    a, b = (
        ort.InferenceSession(c.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {"data": x}
        )[0]
        for c in (slim, plain)
    )
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 if precision == "float32" else 0.05)
