from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.forks import fused_batch_norm
from caffe_bn_convert.verify.oracle.layer import Layer

CAFFES = ["Axpy", "BN_PSPNet", "BN_SegNet", "ConvolutionDepthwise", "DepthwiseConvolution", "Normalize", "Permute"]


@pytest.mark.parametrize("kind", [*CAFFES, "ReLU6", "ShuffleChannel"])
def test_as_caffe(golden, kind):
    golden(kind)


X = np.random.default_rng(0).standard_normal((2, 3, 7, 9))
MEAN, VARIANCE = np.array([1, 2, 3], np.float32), np.array([2, 1, 4], np.float32)
SCALE, SHIFT = np.array([3, 5, 7], np.float32), np.array([1, 0, -1], np.float32)


def _batch_norm(blobs, text="", phase="TEST"):
    net = parse_net(f'layer {{ name: "it" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param {{ {text} }} }}')
    layer = Layer(net.layers[0].parameter, net.layers[0].text, phase, np.dtype(np.float64), 1)
    return fused_batch_norm(layer, [X], blobs)[0]


def _expected(factor=1.0, scale=SCALE, shift=SHIFT):
    each = (MEAN * factor, VARIANCE * factor, scale, shift)
    mean, variance, scale, shift = (np.asarray(values)[:, None, None] for values in each)
    return (X - mean) / np.sqrt(variance + np.float32(1e-5)) * scale + shift


@pytest.mark.parametrize(
    ("blobs", "text", "expected"),
    [
        ((MEAN, VARIANCE), "", _expected(scale=np.ones(3), shift=np.zeros(3))),
        ((MEAN, VARIANCE, SCALE, SHIFT), "", _expected()),
        ((MEAN, VARIANCE, np.array([2.0]), SCALE), "", _expected(0.5, shift=np.zeros(3))),
        ((SCALE, SHIFT, MEAN, VARIANCE, np.array([7.0])), "", _expected()),
        ((MEAN, VARIANCE, np.array([2.0]), SCALE, SHIFT), "", _expected(0.5)),
        ((MEAN, VARIANCE, np.array([2.0]), SCALE, SHIFT), "scale_bias: true", _expected()),
        ((MEAN, VARIANCE, np.array([2.0]), SCALE, SHIFT), "scale_bias: true eps: 1e-9", _expected()),
    ],
)
def test_batch_norm_dialects(blobs, text, expected):
    np.testing.assert_allclose(_batch_norm([np.asarray(blob, np.float32) for blob in blobs], text), expected, rtol=1e-6)


def test_batch_norm_in_training_uses_the_batch():
    top = _batch_norm((MEAN, VARIANCE, SCALE, SHIFT), phase="TRAIN")
    np.testing.assert_allclose(top.mean(axis=(0, 2, 3)), SHIFT, atol=1e-12)


def test_batch_norm_refuses_other_counts_and_sizes():
    with pytest.raises(InvalidNetError, match="6 blobs"):
        _batch_norm([MEAN] * 6)
    with pytest.raises(InvalidNetError, match="3 elements"):
        _batch_norm([MEAN[:2], VARIANCE[:2]])


def test_segnet_inference_only_scales_and_shifts(apply):
    blobs = (SCALE.reshape(1, 3, 1, 1), SHIFT.reshape(1, 3, 1, 1))
    top = apply("BN", "bn_param { bn_mode: INFERENCE }", X, blobs=blobs)[0]
    np.testing.assert_allclose(top, X * SCALE[:, None, None] + SHIFT[:, None, None])


def test_bn_refuses_the_dialects_without_statistics(apply):
    with pytest.raises(UnsupportedError, match="var_eps"):
        apply("BN", "bn_param { var_eps: 1e-9 }", X, blobs=(SCALE, SHIFT))


def test_normalize_of_caffe_windows(apply):
    top, norm = apply("Normalize", 'normalize_param { normalize_type: "L1" }', X)
    np.testing.assert_allclose(norm[:, 0], np.abs(X).sum(axis=1) + np.float32(1e-6))
    np.testing.assert_allclose(top * norm, X)


def test_permute_appends_what_order_leaves_out(apply):
    assert apply("Permute", "permute_param { order: 3 order: 0 }", X)[0].shape == (9, 2, 3, 7)
    with pytest.raises(InvalidNetError, match="order"):
        apply("Permute", "permute_param { order: 1 order: 1 }", X)


def test_relu6_takes_a_slope_and_a_limit(apply):
    x = np.array([[-2.0, 3.0, 9.0]])
    np.testing.assert_array_equal(apply("ReLU6", "relu_param { negative_slope: 0.5 }", x)[0], [[-1, 3, 6]])
    np.testing.assert_array_equal(apply("ReLU6", "relu6_param { n: 2 }", x)[0], [[0, 2, 2]])
