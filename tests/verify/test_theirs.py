"""Files that somebody else made, with the mistakes that converters are known for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from caffe_bn_convert.verify import verify
from caffe_bn_convert.verify.report.text import summary
from caffe_bn_convert.verify.theirs import caffe_of
from tests.nets import input_layer, layer, write_net
from tests.verify.damage import CLASSIFIER, converted, damaged, node, weights

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.verify import Report


def model(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: tuple[int, ...], out: str
) -> Path:
    initializers = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()]
    graph = helper.make_graph(
        nodes, "theirs", [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)], initializers,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def proof(folder: Path, text: str, blobs: dict[str, list[np.ndarray]] | None, path: Path) -> Report:
    prototxt, caffemodel = write_net(folder, text, blobs)
    return verify(caffe_of(prototxt, caffemodel), path)


SHAPE = (2, 3, 7, 9)
NORM = input_layer(*SHAPE) + layer("BatchNorm", "bn")


def batch_norm(beta: float, eps_on_factor: float) -> tuple[dict[str, list[np.ndarray]], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    mean, variance, factor = rng.normal(size=3), rng.uniform(0.5, 2, 3), 0.05
    stored = {"bn": [mean * factor, variance * factor, np.array([factor])]}
    by = factor + eps_on_factor
    numbers = {"g": np.ones(3), "b": np.full(3, beta), "m": mean * factor / by, "v": variance * factor / by}
    return stored, numbers


@pytest.mark.parametrize(
    ("beta", "eps_on_factor", "verdict"), [(0.0, 0.0, "proven"), (0.001, 0.0, "failed"), (0.0, 1e-5, "failed")]
)
def test_batch_norm_without_scale(tmp_path, beta, eps_on_factor, verdict):
    stored, numbers = batch_norm(beta, eps_on_factor)
    norm = helper.make_node("BatchNormalization", ["data", *"gbmv"], ["bn"], epsilon=1e-5)
    path = model(tmp_path / "m.onnx", [norm], numbers, SHAPE, "bn")
    report = proof(tmp_path, NORM, stored, path)
    assert report.verdict == verdict
    if verdict == "failed":
        assert report.divergence is not None
        assert report.divergence.where.layer == "bn"
        assert report.divergence.channels


def test_padding_dropped(tmp_path):
    text = input_layer(*SHAPE) + layer(
        "Convolution", "c", rest="convolution_param { num_output: 4 kernel_size: 3 pad: 1 bias_term: false }"
    )
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    for pads, verdict in (([1, 1, 1, 1], "proven"), ([0, 0, 0, 0], "failed"), ([2, 2, 0, 0], "failed")):
        path = model(
            tmp_path / "m.onnx", [helper.make_node("Conv", ["data", "w"], ["c"], pads=pads)], {"w": weight}, SHAPE, "c"
        )
        report = proof(tmp_path, text, {"c": [weight]}, path)
        assert report.verdict == verdict


def test_coefficients_ignored(tmp_path):
    text = (
        input_layer(*SHAPE)
        + layer("ReLU", "r")
        + layer("Eltwise", "e", "data r", rest="eltwise_param { coeff: 1 coeff: -1 }")
    )
    for op, verdict in (("Sub", "proven"), ("Add", "failed")):
        nodes = [helper.make_node("Relu", ["data"], ["r"]), helper.make_node(op, ["data", "r"], ["e"])]
        report = proof(tmp_path, text, None, model(tmp_path / "m.onnx", nodes, {}, SHAPE, "e"))
        assert report.verdict == verdict
        if verdict == "failed":
            assert report.divergence is not None
            assert report.divergence.where.layer == "e"


def small(folder: Path, damage) -> Report:  # type: ignore[no-untyped-def]
    _, path = converted(folder)
    return proof(folder, CLASSIFIER, weights(), damaged(path, damage))


def test_outputs_of_another_name_are_matched_by_position(tmp_path):
    def rename(m: onnx.ModelProto) -> None:
        node(m, "Softmax").output[0] = m.graph.output[0].name = "softmax_1"
        m.graph.input[0].name = node(m, "Conv").input[0] = "input.1"

    report = small(tmp_path, rename)
    assert report.verdict == "proven"
    assert next((o.name, o.value, o.matched) for o in report.outputs) == ("prob", "softmax_1", "position")


def test_logits_instead_of_probabilities_are_explained(tmp_path):
    def cut(m: onnx.ModelProto) -> None:
        softmax = node(m, "Softmax")
        softmax.op_type = "Identity"
        del softmax.attribute[:]

    report = small(tmp_path, cut)
    assert report.verdict == "failed"
    assert "softmax over axis 1 is missing" in summary(report)


def test_channels_last_is_understood(tmp_path):
    text = input_layer(*SHAPE) + layer("ReLU", "r")
    nodes = [helper.make_node("Relu", ["data"], ["r"])]
    path = model(tmp_path / "m.onnx", nodes, {}, (2, 7, 9, 3), "r")
    report = proof(tmp_path, text, None, path)
    assert report.verdict == "proven"
    assert "axes in the order 0, 2, 3, 1" in report.outputs[0].note


def test_an_output_that_the_net_has_not(tmp_path):
    text = input_layer(*SHAPE) + layer("ReLU", "r")
    nodes = [helper.make_node("Flatten", ["data"], ["flat"]), helper.make_node("Relu", ["data"], ["r"])]
    path = model(tmp_path / "m.onnx", nodes, {}, SHAPE, "flat")
    report = proof(tmp_path, text + layer("TanH", "t"), None, path)
    assert report.verdict == "failed"
    assert 'output "flat" 2×189 fits no output' in summary(report)
