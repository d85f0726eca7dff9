from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

C = 3


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "folder", cases("BN_PSPNet", "BN_SegNet", "Fork_BatchNorm5", "Fork_ceil_mode", "Fork_scale_train")
)
def test_as_caffe(folder, opset):
    check(folder, opset)


MEAN, SCALE, BIAS = values("mean", C), values("scale", C), values("bias", C)
VARIANCE = np.abs(values("variance", C)) + np.float32(0.1)
ONE, FACTOR = np.ones(1, np.float32), np.full(1, 999.98, np.float32)


def batch_norm(rest=""):
    return input_layer(2, C, 7, 9) + layer("BatchNorm", "y", rest=f"batch_norm_param {{ {rest} }}")


def bn(rest=""):
    return input_layer(2, C, 7, 9) + layer("BN", "y", rest=f"bn_param {{ {rest} }}")


EPS = 0.25
OUTSIDE = f"add_eps_before_sqrt: false eps: {EPS}"
DIALECTS = [
    ("a BatchNorm without factor", "", [MEAN, VARIANCE]),
    ("a BatchNorm without factor", "", [MEAN, VARIANCE, SCALE, BIAS]),
    ("Intel's BatchNorm", "bias_term: false", [MEAN, VARIANCE, FACTOR, SCALE]),
    ("Intel's BatchNorm", "use_weight_bias: true", [MEAN, VARIANCE, FACTOR, SCALE, BIAS]),
    ("Intel's BatchNorm", "", [MEAN, VARIANCE, ONE, SCALE, BIAS]),
    ("a BatchNorm without factor", "icnet: true", [MEAN, VARIANCE]),
    ("NVIDIA's BatchNorm of 0.16 and 0.17", "scale_bias: true", [MEAN, VARIANCE, FACTOR, SCALE, BIAS]),
    (
        "NVIDIA's BatchNorm of 0.16 and 0.17",
        "scale_bias: true eps: 1e-7",
        [MEAN, VARIANCE / 10000, FACTOR, SCALE, BIAS],
    ),
    (
        "NVIDIA's BatchNorm of 0.16 and 0.17",
        "scale_filler { value: 1 } eps: 1e-7",
        [MEAN, VARIANCE / 10000, FACTOR, SCALE, BIAS],
    ),
    ("NVIDIA's BatchNorm of 0.15", "", [SCALE, BIAS, MEAN, VARIANCE, ONE]),
    ("NVIDIA's BatchNorm of 0.15", "eps: 0.01", [x.reshape(1, -1, 1, 1) for x in (SCALE, BIAS, MEAN, VARIANCE, ONE)]),
]


def dialect(tmp_path, text, blobs):
    conversion = cbc.convert(*write_net(tmp_path, text, {"y": blobs}), allow="all")
    return next(finding.what for finding in conversion.findings if finding.code == "DIA001")


@pytest.mark.parametrize(("whose", "rest", "blobs"), DIALECTS)
def test_batch_norm(tmp_path, whose, rest, blobs):
    assert dialect(tmp_path, batch_norm(rest), blobs).startswith(f"taken for {whose}, by its blobs:")
    check_by_oracle(tmp_path, batch_norm(rest), {"data": values("data", 2, C, 7, 9)}, {"y": blobs})


@pytest.mark.parametrize(
    ("whose", "rest", "blobs"),
    [
        ("PSPNet's BN", "frozen: true eps: 0.01", [SCALE, BIAS, MEAN, VARIANCE]),
        ("PSPNet's BN", "icnet: true momentum: 0.95", [SCALE, BIAS, MEAN, VARIANCE]),
        ("SegNet's BN in mode LEARN", "", [SCALE, BIAS]),
        ("SegNet's BN in mode INFERENCE", "bn_mode: INFERENCE", [SCALE, BIAS]),
    ],
)
@pytest.mark.parametrize("shape", [(C,), (1, C, 1, 1)])
def test_bn(tmp_path, whose, rest, blobs, shape):
    blobs = [blob.reshape(shape) for blob in blobs]
    assert whose in dialect(tmp_path, bn(rest), blobs)
    # The oracle takes what Caffe's message takes; blobs of one axis are as good.
    check_by_oracle(tmp_path, bn(rest), {"data": values("data", 2, C, 7, 9)}, {"y": blobs})


def test_bn_that_tells_the_statistics_of_the_batch(tmp_path):
    """DeconvNet's nets collect them so, to make its BN testable."""
    text = input_layer(2, C, 7, 9) + layer("BN", "y", tops="y mean variance", rest="bn_param { bn_mode: LEARN }")
    x = values("data", 2, C, 7, 9)
    found = check_by_oracle(tmp_path, text, {"data": x}, {"y": [SCALE, BIAS]})
    np.testing.assert_allclose(found["mean"].ravel(), x.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["variance"].ravel(), x.var((0, 2, 3)), rtol=1e-4)
    assert found["variance"].shape == (1, C, 1, 1)
    with pytest.raises(cbc.InvalidNetError, match="never written"):
        cbc.convert(*write_net(tmp_path, text.replace("LEARN", "INFERENCE"), {"y": [SCALE, BIAS]}))
    with pytest.raises(cbc.InvalidNetError, match="makes one top"):
        cbc.convert(*write_net(tmp_path, text.replace("bn_mode: LEARN", ""), {"y": [SCALE, BIAS, MEAN, VARIANCE]}))


def test_a_dynamic_batch(tmp_path):
    weights = {"y": [SCALE, BIAS, MEAN, VARIANCE]}
    check_dynamic(tmp_path, bn("frozen: true"), {"N": 4, "H": 5}, weights, data=("N", C, "H", 9))


def test_bvlc_is_no_dialect(tmp_path):
    conversion = cbc.convert(*write_net(tmp_path, batch_norm(), {"y": [MEAN, VARIANCE, FACTOR]}))
    assert not conversion.findings


def test_scale_bias_tells_nvidias_blobs_before_there_are_any(tmp_path):
    conversion = cbc.convert(write_net(tmp_path, batch_norm("scale_bias: true"))[0], allow="all")
    assert "NVIDIA" in next(finding.what for finding in conversion.findings if finding.code == "DIA001")
    x = values("data", 2, C, 7, 9)
    np.testing.assert_allclose(run(conversion, {"data": x})["y"], x / np.sqrt(np.float32(1e-5)), rtol=1e-5)


def test_a_filler_of_the_scale_tells_nvidias_blobs_and_fills_them(tmp_path):
    """NVIDIA's sets the rates itself, whatever they are, where BVLC's refuses to learn statistics."""
    text = batch_norm("scale_filler { value: 0.5 } bias_filler { value: 2 } eps: 1e-7")
    text = text.replace("batch_norm_param", "param { lr_mult: 1 } batch_norm_param")
    x = values("data", 2, C, 7, 9)
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_allclose(got, x / np.sqrt(np.float32(1e-5)) / 2 + 2, rtol=1e-5)
    with pytest.raises(cbc.InvalidNetError, match="refuses to learn BatchNorm's statistics"):
        cbc.convert(write_net(tmp_path, text.replace("scale_filler { value: 0.5 }", ""))[0], allow="all")


@pytest.mark.parametrize("scaled", [False, True])
def test_eps_outside_of_the_root(tmp_path, scaled):
    """synopsys-caffe's: what BVLC's divides by is sqrt(variance + eps), this one's is sqrt(variance) + eps."""
    x = values("data", 2, C, 7, 9)
    normal = (x - MEAN.reshape(C, 1, 1)) / (np.sqrt(VARIANCE.reshape(C, 1, 1)) + EPS)
    text, blobs = batch_norm(OUTSIDE), {"y": [MEAN * FACTOR, VARIANCE * FACTOR, FACTOR]}
    if scaled:
        text += layer("Scale", "z", "y", rest="scale_param { bias_term: true }")
        blobs["z"], normal = [SCALE, BIAS], normal * SCALE.reshape(C, 1, 1) + BIAS.reshape(C, 1, 1)
    for options in ({}, {"fold_conv": True}, {"fold": False}):
        got = check_by_oracle(tmp_path, text, {"data": x}, blobs, **options)
        np.testing.assert_allclose(got["z" if scaled else "y"], normal, rtol=1e-4, atol=1e-5)
    assert dialect(tmp_path, text, blobs["y"]).startswith("taken for synopsys' BatchNorm")


@pytest.mark.parametrize("fold", [True, False])
def test_eps_outside_of_the_root_goes_into_a_convolution(tmp_path, fold):
    x, weights = values("data", 2, C, 7, 9), values("w", C, C, 1, 1)
    text = input_layer(2, C, 7, 9) + layer(
        "Convolution", "c", rest=f"convolution_param {{ num_output: {C} kernel_size: 1 bias_term: false }}"
    )
    text += layer("BatchNorm", "y", "c", rest=f"batch_norm_param {{ {OUTSIDE} }}")
    blobs = {"c": [weights], "y": [MEAN * FACTOR, VARIANCE * FACTOR, FACTOR]}
    conversion = cbc.convert(*write_net(tmp_path, text, blobs), fold=fold, fold_conv=True, allow="all")
    assert [node.op_type for node in conversion.to_onnx().graph.node] == ["Conv"]
    got = check_by_oracle(tmp_path, text, {"data": x}, blobs, fold=fold, fold_conv=True)["y"]
    made = np.einsum("oi,nihw->nohw", weights[:, :, 0, 0], x)
    normal = (made - MEAN.reshape(C, 1, 1)) / (np.sqrt(VARIANCE.reshape(C, 1, 1)) + EPS)
    np.testing.assert_allclose(got, normal, rtol=1e-4, atol=1e-5)


def test_eps_outside_of_the_root_of_the_batchs_variance(tmp_path):
    x = values("data", 2, C, 7, 9)
    got = check_by_oracle(tmp_path, batch_norm(f"{OUTSIDE} use_global_stats: false"), {"data": x})["y"]
    mean, root = x.mean((0, 2, 3), keepdims=True), x.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(got, (x - mean) / (root + EPS), rtol=1e-4, atol=1e-5)


def test_learning_in_a_deployed_net_stops(tmp_path):
    with pytest.raises(cbc.RefusedError, match="BN004"):
        cbc.convert(*write_net(tmp_path, bn("bn_mode: LEARN"), {"y": [SCALE, BIAS]}))


def test_bad_variance_stops(tmp_path):
    with pytest.raises(cbc.RefusedError, match="BN009"):
        cbc.convert(*write_net(tmp_path, batch_norm(), {"y": [MEAN, -VARIANCE]}))


@pytest.mark.filterwarnings("error")
def test_bad_variance_stops_where_eps_is_outside(tmp_path):
    """BN009 tells, and not NumPy."""
    with pytest.raises(cbc.RefusedError, match="BN009"):
        cbc.convert(*write_net(tmp_path, batch_norm(OUTSIDE), {"y": [MEAN, -VARIANCE, ONE]}))


@pytest.mark.parametrize(
    ("text", "blobs", "message"),
    [
        (batch_norm(), [MEAN, VARIANCE, FACTOR, SCALE, BIAS], "Intel's Caffe divides by it, NVIDIA's does not"),
        (batch_norm(), [MEAN], "no fork is known whose BatchNorm has 1 blobs"),
        (batch_norm(), [MEAN, VARIANCE, MEAN, SCALE, BIAS], "no fork is known whose BatchNorm has 5 blobs"),
        (batch_norm("scale_bias: true"), [MEAN, VARIANCE, ONE], 'the field "scale_bias"'),
        (batch_norm(OUTSIDE), [MEAN, VARIANCE, SCALE, BIAS], 'the field "add_eps_before_sqrt"'),
        (batch_norm("fused_relu: true"), [MEAN, VARIANCE, ONE], 'the field "fused_relu"'),
        (batch_norm("use_global_stats: false"), [MEAN, VARIANCE, SCALE, BIAS], "statistics of the batch"),
        (batch_norm(), [MEAN[:2], VARIANCE], "the mean is 2 in the weights, but the layer needs 3"),
        (bn(), [MEAN, VARIANCE, ONE], "no fork is known whose BN has 3 blobs"),
        (bn("moving_average: true"), [SCALE, BIAS, MEAN, VARIANCE], 'the field "moving_average"'),
        (bn("icnet: true"), [SCALE, BIAS], 'the field "icnet"'),
    ],
)
def test_refusals(tmp_path, text, blobs, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, text, {"y": blobs}), allow="all")
