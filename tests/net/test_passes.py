"""Each case of the passes' docstrings, proven by running the folded and the unfolded net."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.layers.norm import BatchNormalization
from tests.nets import input_layer, layer, write_net

RNG = np.random.default_rng(7)
C = 3
BN = [RNG.normal(size=C) * 4, RNG.uniform(0.5, 2, C) * 4, np.array([4.0])]
GAMMA, BETA = RNG.normal(size=C), RNG.normal(size=C)
DATA = input_layer(2, C, 4, 5)
BATCH_NORM = layer("BatchNorm", "bn")


def run(conversion, folder):
    conversion.save(folder / "out.onnx")
    session = ort.InferenceSession(str(folder / "out.onnx"), providers=["CPUExecutionProvider"])
    feeds = {i.name: np.random.default_rng(1).normal(size=i.shape).astype(np.float32) for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def types(conversion):
    return [node.op_type for node in conversion.model.graph.node]


CASES = {
    "alone": (BATCH_NORM, ["BatchNormalization"]),
    "scale with bias": (
        BATCH_NORM + layer("Scale", "s", "bn", "s", "scale_param { bias_term: true }"),
        ["BatchNormalization"],
    ),
    "scale without bias": (BATCH_NORM + layer("Scale", "s", "bn"), ["BatchNormalization"]),
    "in place": (
        BATCH_NORM + layer("Scale", "s", "bn", "bn") + layer("ReLU", "r", "bn", "bn"),
        ["BatchNormalization", "Relu"],
    ),
    "scale, bias, scale": (
        BATCH_NORM + layer("Scale", "s", "bn") + layer("Bias", "b", "s") + layer("Scale", "s2", "b"),
        ["BatchNormalization"],
    ),
    "dropout between": (
        BATCH_NORM + layer("Dropout", "d", "bn") + layer("Scale", "s", "d"),
        ["BatchNormalization"],
    ),
    "not the next layer in the file": (
        BATCH_NORM + layer("ReLU", "r", "data") + layer("Scale", "s", "bn") + layer("Eltwise", "e", "r s"),
        ["BatchNormalization", "Relu", "Add"],
    ),
    "next in the file, of another blob": (
        BATCH_NORM + layer("Scale", "s", "data") + layer("Eltwise", "e", "bn s"),
        ["BatchNormalization", "Mul", "Add"],
    ),
    "two readers": (
        BATCH_NORM + layer("Scale", "s", "bn") + layer("Eltwise", "e", "bn s"),
        ["BatchNormalization", "Mul", "Add"],
    ),
    "read twice by one layer": (
        BATCH_NORM + layer("Eltwise", "e", "bn bn") + layer("Scale", "s", "e"),
        ["BatchNormalization", "Add", "Mul"],
    ),
    "scale over all axes": (
        BATCH_NORM + layer("Scale", "wide", "bn", "wide", "scale_param { num_axes: -1 }"),
        ["BatchNormalization", "Mul"],
    ),
    "a single number": (
        BATCH_NORM + layer("Scale", "one", "bn", "one", "scale_param { num_axes: 0 }"),
        ["BatchNormalization"],
    ),
    "two bottoms": (
        BATCH_NORM + layer("Scale", "two", "bn data", "two", "scale_param { axis: 0 }"),
        ["BatchNormalization", "Mul"],
    ),
}  # fmt: skip


def weights(text):
    blobs = {
        "bn": BN,
        "s": [GAMMA, BETA] if "bias_term" in text else [GAMMA],
        "b": [BETA],
        "s2": [BETA],
        "wide": [RNG.normal(size=(C, 4, 5))],
        "one": [np.float32(1.5)],
    }
    return {name: arrays for name, arrays in blobs.items() if f'name: "{name}"' in text}


@pytest.mark.parametrize("name", CASES)
def test_fold_batchnorm(tmp_path, name):
    text, expected = CASES[name]
    net = write_net(tmp_path, DATA + text, weights(text))
    folded, apart = cbc.convert(*net), cbc.convert(*net, fold=False)
    got = types(folded)
    assert sorted(got) == sorted(expected)
    assert not any(isinstance(node.layer, BatchNormalization) for node in apart.graph.nodes)
    a, b = run(folded, tmp_path), run(apart, tmp_path)
    assert a.keys() == b.keys()
    for blob, value in a.items():
        np.testing.assert_allclose(value, b[blob], rtol=2e-6, atol=2e-6)


def test_the_fold_is_exact_to_one_rounding(tmp_path):
    text = BATCH_NORM + layer("Scale", "s", "bn", "s", "scale_param { bias_term: true }")
    conversion = cbc.convert(*write_net(tmp_path, DATA + text, weights(text)))
    scale, bias, mean, variance = (blob.read64() for blob in conversion.graph.nodes[0].blobs)
    stored = [np.asarray(blob, np.float32).astype(np.float64) for blob in BN]
    np.testing.assert_array_equal(mean, stored[0] / stored[2])
    np.testing.assert_array_equal(variance, stored[1] / stored[2])
    np.testing.assert_array_equal(scale, GAMMA.astype(np.float32))
    np.testing.assert_array_equal(bias, BETA.astype(np.float32))


def test_an_output_in_the_middle_is_kept(tmp_path):
    text = BATCH_NORM + layer("Scale", "s", "bn")
    net = write_net(tmp_path, DATA + text, weights(text))
    conversion = cbc.convert(*net, expose=["bn"])
    assert conversion.graph.outputs == ("bn", "s")
    assert types(conversion) == ["BatchNormalization", "Mul"]
    assert cbc.convert(*net, until=["bn"]).graph.outputs == ("bn",)


def test_layers_that_only_silence_reads_go(tmp_path):
    text = layer("ReLU", "r") + layer("TanH", "t") + layer("Silence", "quiet", "t", "")
    conversion = cbc.convert(*write_net(tmp_path, DATA + text))
    assert conversion.graph.outputs == ("r",)
    assert types(conversion) == ["Relu"]


def test_identities_leave_the_names_of_caffe(tmp_path):
    text = layer("ReLU", "r", "data", "x") + layer("Dropout", "d", "x", "x") + layer("Split", "sp", "x", "y z")
    conversion = cbc.convert(*write_net(tmp_path, DATA + text))
    assert conversion.graph.outputs == ("y", "z")
    got = run(conversion, tmp_path)
    np.testing.assert_array_equal(got["y"], got["z"])


def test_a_net_that_is_only_a_copy(tmp_path):
    conversion = cbc.convert(*write_net(tmp_path, DATA + layer("Dropout", "d")))
    assert types(conversion) == ["Identity"]
