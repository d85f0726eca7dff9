"""Mistakes that converters of Caffe nets are known to make, each in a file written by hand as they write it.

BatchNorm without Scale, the factor, padding and coefficients are in ``test_theirs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import helper

from tests.nets import input_layer, layer
from tests.verify.test_theirs import model, proof

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

SHAPE = (2, 3, 7, 9)
RNG = np.random.default_rng(1)
GAMMA, BETA, MEAN = (RNG.normal(size=3) for _ in range(3))
VARIANCE = RNG.uniform(0.5, 2, 3)
NUMBERS = {"g": GAMMA, "b": BETA, "m": MEAN, "v": VARIANCE, "one": np.ones(3), "zero": np.zeros(3)}
STORED = {"bn": [MEAN * 0.5, VARIANCE * 0.5, np.array([0.5])], "s": [GAMMA, BETA]}

Nodes = list["onnx.NodeProto"]


def op(kind: str, inputs: str = "data", output: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), output.split(), **attributes)


def norm(inputs: str, output: str = "y") -> onnx.NodeProto:
    return op("BatchNormalization", inputs, output, epsilon=1e-5)


def net(type_: str, rest: str = "") -> str:
    return layer(type_, "y", rest=rest)


def pool(**attributes: object) -> Nodes:
    return [op("AveragePool", kernel_shape=[3, 3], strides=[1, 1], **attributes)]


def lrn(bias: float, size: int = 3) -> Nodes:
    return [op("LRN", size=size, alpha=2.0, beta=0.75, bias=bias)]


AVERAGE = net("Pooling", "pooling_param { pool: AVE kernel_size: 3 pad: 1 }")
LARGEST = net("Pooling", "pooling_param { pool: MAX kernel_size: 3 pad_h: 1 pad_w: 0 }")
RESPONSE = net("LRN", "lrn_param { local_size: 3 alpha: 2 beta: 0.75 k: 2 }")
TWO_NORMS = (
    layer("BatchNorm", "bn")
    + layer("ReLU", "r", "bn")
    + layer("Scale", "s", "r", "y", "scale_param { bias_term: true }")
)
OVER_ROWS = net("InnerProduct", "inner_product_param { num_output: 3 axis: 3 transpose: true bias_term: false }")
WEIGHT = RNG.normal(size=(9, 3))
NO_OF_BATCH = net("BatchNorm", "batch_norm_param { use_global_stats: false }")

CASES = {
    "LRN's k": (RESPONSE, lrn(2.0), lrn(1.0)),
    "padding counted in averages": (
        AVERAGE, pool(pads=[1, 1, 1, 1], count_include_pad=1), pool(pads=[1, 1, 1, 1], count_include_pad=0),
    ),
    "padding of one axis only": (
        LARGEST,
        [op("MaxPool", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 0, 1, 0])],
        [op("MaxPool", kernel_shape=[3, 3], strides=[1, 1])],
    ),
    "softmax over everything behind the batch": (
        net("Softmax"),
        [op("Softmax", axis=1)],
        [op("Flatten", output="f"), op("Softmax", "f", "p", axis=1), op("Shape", output="n"), op("Reshape", "p n")],
    ),
    "the slope of a leaky ReLU": (
        net("ReLU", "relu_param { negative_slope: 0.1 }"), [op("LeakyRelu", alpha=0.1)], [op("Relu")],
    ),
    "the Scale behind a ReLU, folded into the BatchNorm before": (
        TWO_NORMS,
        [norm("data one zero m v", "n"), op("Relu", "n", "r"), op("BatchNormalization", "r g b zero one", epsilon=0.0)],
        [norm("data g b m v", "n"), op("Relu", "n")],
    ),
    "the transposition of an InnerProduct": (OVER_ROWS, [op("MatMul", "data w")], [op("MatMul", "data turned")]),
    "the batch's own statistics": (
        NO_OF_BATCH,
        [
            op("ReduceMean", output="mean", axes=[0, 2, 3]), op("Sub", "data mean", "d"), op("Mul", "d d", "sq"),
            op("ReduceMean", "sq", "var", axes=[0, 2, 3]), op("Add", "var eps", "ve"), op("Sqrt", "ve", "dev"),
            op("Div", "d dev"),
        ],
        [norm("data one zero m v")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_known_mistake_is_caught(tmp_path: Path, name: str) -> None:
    text, right, wrong = CASES[name]
    text = input_layer(*SHAPE) + text
    blobs = {"bn": STORED["bn"], "s": STORED["s"], "y": [WEIGHT] if "InnerProduct" in text else STORED["bn"]}
    constants = {**NUMBERS, "w": WEIGHT, "turned": WEIGHT.reshape(3, 9).T, "eps": np.array(1e-5)}
    for nodes, verdict in ((right, "proven"), (wrong, "failed")):
        report = proof(tmp_path, text, blobs, model(tmp_path / "m.onnx", nodes, constants, SHAPE, "y"))
        assert report.verdict == verdict, report.divergence
        if verdict == "failed":
            assert report.divergence is not None
            assert report.divergence.where.layer in ("y", "s", "bn")
