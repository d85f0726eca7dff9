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


def test_activations(apply):
    x = np.array([[-30.0, -5, -1, 0, 2, 30]])
    np.testing.assert_allclose(apply("HardSwish", "", x)[0], [[0, 0, -1 / 3, 0, 5 / 3, 30]], atol=1e-15)
    np.testing.assert_allclose(apply("Mish", "", x)[0], x * np.tanh(np.log1p(np.exp(x))), rtol=1e-12)
    scale, alpha = np.float32(1.05070102), np.float32(1.67326319)
    expected = np.where(x > 0, scale * x, float(scale) * float(alpha) * np.expm1(x))
    np.testing.assert_allclose(apply("SeLU", "", x)[0], expected, rtol=1e-12)


def test_broadcasting(apply):
    other = np.arange(1.0, 8.0).reshape(1, 7, 1)
    np.testing.assert_array_equal(apply("Add", "", X, other)[0], X + other)
    np.testing.assert_array_equal(apply("Mul", "", X, other)[0], X * other)
    np.testing.assert_array_equal(apply("Maximum", "", X, other)[0], np.maximum(X, other))
    np.testing.assert_array_equal(
        apply("Mul", "mul_param { mul_shape: 9 }", X, blobs=[np.arange(9)])[0], X * np.arange(9)
    )
    with pytest.raises(InvalidNetError, match="match"):
        apply("Add", "", X, np.zeros((1, 6, 1)))
    with pytest.raises(UnsupportedError):
        apply("Add", "", X)


def test_masks_and_channel_scales(apply):
    mask = np.random.default_rng(1).standard_normal((2, 1, 7, 9))
    np.testing.assert_array_equal(apply("MaskPooling", "", X, mask)[0], X * mask)
    np.testing.assert_array_equal(apply("ChannelScale", "", X, mask)[0], X * mask)
    text = "channel_scale_param { global_scale: true max_global_scale: 5 }"
    top, factor = apply("ChannelScale", text, X, mask, blobs=[np.array([9.0])])
    np.testing.assert_array_equal(top, X * 5)
    assert factor == [5]
    with pytest.raises(InvalidNetError):
        apply("MaskPooling", "", X, mask[..., 1:])


def test_grn_needs_its_bias(apply):
    top = apply("GRN", "grn_param { bias: 0.5 }", X)[0]
    np.testing.assert_allclose(top, X / np.sqrt((X * X).sum(axis=1, keepdims=True) + 0.5))
    with pytest.raises(UnsupportedError, match="bias"):
        apply("GRN", "", X)


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("Transpose", "transpose_param { dim: 3 dim: 0 dim: 2 dim: 1 }", X.transpose(3, 0, 2, 1)),
        ("Reverse", "reverse_param { axis: 2 }", X[:, :, ::-1]),
        ("Reverse", "", X[::-1]),
        ("Flip", "", X[..., ::-1]),
        ("Flip", "flip_param { flip_width: false flip_height: true }", X[:, :, ::-1]),
        ("Padding", "padding_param { pad_beg: 1 pad_end: 2 }", np.pad(X, ((0, 0), (0, 0), (1, 2), (1, 2)))),
        ("Padding", "padding_param { pad_beg: -1 pad_end: -2 }", X[:, :, 1:5, 1:7]),
        ("Padding", "padding_param { pad_l: 1 pad_b: 2 }", np.pad(X, ((0, 0), (0, 0), (0, 2), (1, 0)))),
        (
            "CropCenter",
            "crop_center_param { crop_size: 0 crop_size: 1 crop_size: 3 crop_size: 2 }",
            X[:, 1:2, 3:4, 2:7],
        ),
        ("Gather", "gather_param { axis: 1 indices: 2 indices: 0 shape: 2 }", X[:, [2, 0]]),
        ("Gather", "gather_param { axis: -1 indices: 4 shape: 0 }", X[..., 4]),
    ],
)
def test_values_move(apply, type_, text, expected):
    np.testing.assert_array_equal(apply(type_, text, X)[0], expected)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("Transpose", "transpose_param { dim: 0 dim: 1 dim: 2 }"),
        ("Squeeze", "squeeze_param { axis: 1 }"),
        ("Reverse", "reverse_param { axis: 4 }"),
        ("Padding", "padding_param { pad_beg: 1 pad_end: -1 }"),
        ("Pad", "pad_param { paddings: 1 paddings: 2 }"),
        ("CropCenter", "crop_center_param { crop_size: 1 crop_size: 0 crop_size: 0 crop_size: 0 }"),
        ("Gather", "gather_param { axis: 1 indices: 3 shape: 1 }"),
        ("SpaceToBatchND", "space_to_batch_nd_param { block_shape: 2 paddings: 0 paddings: 0 }"),
        ("BatchToSpaceND", "batch_to_space_nd_param { block_shape: 3 crops: 0 crops: 0 }"),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
        ("Axpy", ""),
    ],
)
def test_layers_that_do_not_fit_are_refused(apply, type_, text):
    with pytest.raises(InvalidNetError):
        apply(type_, text, X)


def test_pad_and_squeeze(apply):
    text = "pad_param { constant_values: 0.5 " + "paddings: 0 paddings: 0 " * 3 + "paddings: 1 paddings: 2 }"
    padded = apply("Pad", text, X)[0]
    np.testing.assert_array_equal(padded, np.pad(X, ((0, 0),) * 3 + ((1, 2),), constant_values=0.5))
    x = X[:1, :, None]
    assert apply("Squeeze", "squeeze_param { axis: -3 }", x)[0].shape == (1, 3, 7, 9)
    assert apply("Squeeze", "", x)[0].shape == (3, 7, 9)


def test_space_to_batch_and_back(apply):
    text = "block_shape: 1 block_shape: 2 block_shape: 3"
    there = (
        f"space_to_batch_nd_param {{ {text} paddings: 0 paddings: 0 paddings: 1 paddings: 2 paddings: 3 paddings: 0 }}"
    )
    batch = apply("SpaceToBatchND", there, X)[0]
    assert batch.shape == (12, 3, 5, 4)
    padded = np.pad(X, ((0, 0), (0, 0), (1, 2), (3, 0)))
    np.testing.assert_array_equal(batch[2 * (1 * 3 + 2) + 1], padded[1, :, 1::2, 2::3])
    back = f"batch_to_space_nd_param {{ {text} crops: 0 crops: 0 crops: 1 crops: 2 crops: 3 crops: 0 }}"
    np.testing.assert_array_equal(apply("BatchToSpaceND", back, batch)[0], X)


def test_nd_convolution_is_a_convolution(apply):
    x, w = (
        np.random.default_rng(2).standard_normal((2, 4, 3, 5, 6)),
        np.random.default_rng(3).standard_normal((6, 2, 2, 3, 1)),
    )
    shapes = (
        "kernel_shape { dim: 2 dim: 3 dim: 1 } stride_shape { dim: 1 dim: 2 dim: 2 } pad_shape { dim: 1 dim: 0 dim: 1 }"
    )
    top = apply(
        "NdConvolution", f"convolution_param {{ num_output: 6 group: 2 {shapes} bias_term: false }}", x, blobs=[w]
    )[0]
    assert top.shape == (2, 6, 4, 2, 4)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0), (1, 1)))
    window, kernel = padded[1, 2:4, 1:3, 2:5, 4:5], np.float32(w[4])
    np.testing.assert_allclose(top[1, 4, 1, 1, 2], (window * kernel).sum())


def test_nd_pooling_rounds_up(apply):
    x = np.random.default_rng(4).standard_normal((1, 2, 3, 5, 6))
    shapes = "kernel_shape { dim: 1 dim: 2 dim: 2 } stride_shape { dim: 1 dim: 2 dim: 2 }"
    top = apply("NdPooling", f"pooling_param {{ pool: MAX {shapes} }}", x)[0]
    assert top.shape == (1, 2, 3, 3, 3)
    np.testing.assert_array_equal(top[0, 1, 2, 2, 1], x[0, 1, 2, 4, 2:4].max())
    with pytest.raises(UnsupportedError, match="stick out"):
        apply("NdPooling", f"pooling_param {{ pool: AVE {shapes} }}", x)
    whole = apply("NdPooling", "pooling_param { pool: AVE global_pooling: true }", x)[0]
    np.testing.assert_allclose(whole[..., 0, 0, 0], x.mean(axis=(2, 3, 4)))
