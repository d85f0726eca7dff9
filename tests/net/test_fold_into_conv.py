"""Each case of the pass's docstring, proven by running the folded and the unfolded net."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from tests.nets import input_layer, layer, write_net

RNG = np.random.default_rng(5)
DATA = input_layer(2, 4, 7, 9)
C = 6


def bn(channels=C):
    return [RNG.normal(size=channels) * 4, RNG.uniform(0.5, 2, channels) * 4, np.array([4.0])]


GAMMA, BETA = RNG.normal(size=C), RNG.normal(size=C)
BN = layer("BatchNorm", "bn", "c")
SCALE = layer("Scale", "s", "bn", "s", "scale_param { bias_term: true }")
CONV = "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 %s }"
BLOBS = {"bn": bn(), "s": [GAMMA, BETA], "t": [BETA], "one": [np.float32(1.5)]}

CASES = {
    "convolution": (layer("Convolution", "c", rest=CONV % "") + BN + SCALE, [(6, 4, 3, 3), (6,)], ["Conv"]),
    "no bias": (layer("Convolution", "c", rest=CONV % "bias_term: false") + BN + SCALE, [(6, 4, 3, 3)], ["Conv"]),
    "groups and dilation": (
        layer("Convolution", "c", rest=CONV % "group: 2 dilation: 2") + BN + SCALE, [(6, 2, 3, 3), (6,)], ["Conv"],
    ),
    "deconvolution": (
        layer("Deconvolution", "c", rest=CONV % "bias_term: false") + BN + SCALE, [(4, 6, 3, 3)], ["ConvTranspose"],
    ),
    "deconvolution with groups": (
        layer("Deconvolution", "c", rest=CONV % "group: 2") + BN + SCALE, [(4, 3, 3, 3), (6,)], ["ConvTranspose"],
    ),
    "inner product": (
        layer("InnerProduct", "c", rest="inner_product_param { num_output: 6 }") + BN + SCALE,
        [(6, 4 * 7 * 9), (6,)], ["Reshape", "Gemm"],
    ),
    "inner product, transposed": (
        layer("InnerProduct", "c", rest="inner_product_param { num_output: 6 transpose: true bias_term: false }") + BN,
        [(4 * 7 * 9, 6)], ["Reshape", "Gemm"],
    ),
    "a bare bias and a single number": (
        layer("Convolution", "c", rest=CONV % "") + layer("Bias", "t", "c")
        + layer("Scale", "one", "t", "one", "scale_param { num_axes: 0 }"),
        [(6, 4, 3, 3), (6,)], ["Conv"],
    ),
    "in place, then ReLU": (
        layer("Convolution", "c", rest=CONV % "") + layer("BatchNorm", "bn", "c", "c") + layer("ReLU", "r", "c", "c"),
        [(6, 4, 3, 3), (6,)], ["Conv", "Relu"],
    ),
    "two readers": (
        layer("Convolution", "c", rest=CONV % "") + BN + layer("Eltwise", "e", "c bn"),
        [(6, 4, 3, 3), (6,)], ["Conv", "BatchNormalization", "Add"],
    ),
    "before a convolution": (
        layer("BatchNorm", "pre", "data") + layer("Convolution", "c", "pre", rest=CONV % ""),
        [(6, 4, 3, 3), (6,)], ["BatchNormalization", "Conv"],
    ),
    "a ReLU between": (
        layer("Convolution", "c", rest=CONV % "") + layer("ReLU", "r", "c") + layer("BatchNorm", "bn", "r"),
        [(6, 4, 3, 3), (6,)], ["Conv", "Relu", "BatchNormalization"],
    ),
}  # fmt: skip


def run(conversion, x):
    session = ort.InferenceSession(conversion.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"data": x})


def net_of(tmp_path, text, shapes):
    blobs = {**BLOBS, "c": [RNG.normal(size=shape) for shape in shapes], "pre": bn(4)}
    return write_net(tmp_path, DATA + text, {name: b for name, b in blobs.items() if f'name: "{name}"' in text})


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_fold_into_conv(tmp_path, name, fold):
    text, shapes, expected = CASES[name]
    net = net_of(tmp_path, text, shapes)
    conversion = cbc.convert(*net, fold_conv=True, fold=fold)
    if fold:
        assert [node.op_type for node in conversion.model.graph.node] == expected
    x = np.random.default_rng(1).normal(size=(2, 4, 7, 9)).astype(np.float32)
    wanted = run(cbc.convert(*net), x)
    for a, b in zip(run(conversion, x), wanted, strict=True):
        # one rounding of every weight: sums of up to 252 products
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5 * np.abs(b).max())


def test_off_by_default(tmp_path):
    net = net_of(tmp_path, *CASES["convolution"][:2])
    assert [node.op_type for node in cbc.convert(*net).model.graph.node] == ["Conv", "BatchNormalization"]


def test_an_output_stays(tmp_path):
    net = net_of(tmp_path, *CASES["convolution"][:2])
    conversion = cbc.convert(*net, fold_conv=True, expose=["c"])
    assert [node.op_type for node in conversion.model.graph.node] == ["Conv", "BatchNormalization"]


def test_one_rounding(tmp_path):
    text, shapes, _ = CASES["convolution"]
    net = net_of(tmp_path, text, shapes)
    before = {node.name: [b.read64() for b in node.blobs] for node in cbc.convert(*net, fold=False).graph.nodes}
    weight, bias = cbc.convert(*net, fold_conv=True).graph.nodes[0].blobs
    mean, variance, factor = before["bn"]
    a = before["s"][0] / np.sqrt(variance / factor + np.float64(np.float32(1e-5)))
    c = before["s"][1] - mean / factor * a
    np.testing.assert_array_equal(
        weight.read().reshape(6, -1), (before["c"][0].reshape(6, -1) * a[:, None]).astype(np.float32)
    )
    np.testing.assert_array_equal(bias.read(), (before["c"][1] * a + c).astype(np.float32))


def test_statistics_that_are_not_finite_stay_apart(tmp_path):
    text, shapes, _ = CASES["convolution"]
    blobs = {
        "c": [RNG.normal(size=s) for s in shapes],
        "bn": [np.ones(C), np.full(C, -1.0), np.ones(1)],
        "s": [GAMMA, BETA],
    }
    conversion = cbc.convert(*write_net(tmp_path, DATA + text, blobs), fold_conv=True, allow="all")
    assert [node.op_type for node in conversion.model.graph.node] == ["Conv", "BatchNormalization"]
