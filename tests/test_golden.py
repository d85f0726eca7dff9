"""Golden groups that belong to no single layer family, and nets put together at random; in every way of storing weights."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from tests.golden import GOLDEN, OPSETS, assert_close, cases, check
from tests.paths import SHARED, needs_shared

OWN = (
    "BatchNorm",
    "Scale",
    "Bias",
    "Pooling",
    "Convolution",
    "Deconvolution",
    "Net",
    "Input",
    "HDF5",
    "Composite",
    "SSDCore",
)
ELSEWHERE = {"v1_param_share_string"}  # its prototxt says 2x5x1x1, its input is 2x5: pycaffe was told another shape


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", [*cases(*OWN), *cases("Legacy", "Silence", "Split", "DummyData")])
def test_golden(folder, opset):
    if folder.name in ELSEWHERE:
        assert json.loads((folder / "meta.json").read_text())["inputs"] == {"a": [2, 5], "b": [2, 5]}
        conversion = cbc.convert(
            folder / "model.prototxt", folder / "weights.caffemodel", shapes={"a": (2, 5), "b": (2, 5)}, opset=opset
        )
        assert conversion.graph.shapes["x"] == (2, 3)
        return
    check(folder, opset)


@pytest.mark.parametrize("mode", ["embed", "external", "in-place"])
@pytest.mark.parametrize("name", ["mini_googlenet_inception", "mini_captioner", "mini_fcn8"])
def test_a_net_in_every_way_of_storing_weights(tmp_path, name, mode):
    folder = GOLDEN / "Composite" / name
    weights = tmp_path / "weights.caffemodel"
    weights.write_bytes((folder / "weights.caffemodel").read_bytes())
    cbc.convert(folder / "model.prototxt", weights, allow="all").save(tmp_path / "out.onnx", mode)
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    session = ort.InferenceSession(str(tmp_path / "out.onnx"), providers=["CPUExecutionProvider"])
    inputs, expected = np.load(folder / "input.npz"), np.load(folder / "expected.npz")
    got = session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})
    for output, value in zip(session.get_outputs(), got, strict=True):
        assert_close(value, expected[output.name], output.name)


@needs_shared
@pytest.mark.parametrize("number", range(8))
def test_random_nets(number):
    folders = sorted(folder for root in ("random", "random-ssd") for folder in (SHARED / root).glob("*/"))
    assert len(folders) > 200
    for folder in folders[number::8]:
        check(folder, 17)
