from __future__ import annotations

import itertools

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle import correlate
from caffe_bn_convert.verify.oracle.correlate import convolve, deconvolve, output_size

RANDOM = np.random.default_rng(7)
X = RANDOM.integers(-4, 5, (2, 6, 7, 9)).astype(np.float64)


def slow(x, w, bias, stride, pad, dilation, group):
    """Convolution one number at a time; integers, so exact."""
    xp = np.pad(x, ((0, 0), (0, 0), (pad[0], 50), (pad[1], 50)))
    size = [output_size(*one) for one in zip(x.shape[2:], w.shape[2:], stride, pad, dilation, strict=True)]
    y = np.zeros((len(x), len(w), *size))
    for n, m, i, j in np.ndindex(*y.shape):
        first = m // (len(w) // group) * w.shape[1]
        for c, k, q in np.ndindex(*w.shape[1:]):
            row, column = i * stride[0] + k * dilation[0], j * stride[1] + q * dilation[1]
            y[n, m, i, j] += w[m, c, k, q] * xp[n, first + c, row, column]
    return y if bias is None else y + bias[:, None, None]


KINDS = {
    "columns": ((4, 6, 3, 2), 1, (2, 1), (1, 0), (1, 2)),
    "groups": ((4, 3, 3, 2), 2, (1, 3), (0, 2), (2, 1)),
    "pointwise": ((4, 6, 1, 1), 1, (2, 3), (1, 0), (1, 1)),
    "pointwise groups": ((9, 2, 1, 1), 3, (1, 1), (0, 0), (1, 1)),
    "depthwise": ((6, 1, 3, 2), 6, (2, 1), (1, 2), (2, 3)),
    "depthwise many": ((12, 1, 2, 3), 6, (1, 2), (0, 1), (1, 1)),
}


@pytest.mark.parametrize("bytes_at_once", [1, 5000, 1 << 20])
@pytest.mark.parametrize("kind", KINDS)
def test_convolve(kind, bytes_at_once, monkeypatch):
    monkeypatch.setattr(correlate, "COLUMN_BYTES", bytes_at_once)
    shape, group, stride, pad, dilation = KINDS[kind]
    w, b = RANDOM.integers(-4, 5, shape).astype(float), np.arange(shape[0], dtype=float)
    got = convolve(X, w, b, stride=stride, pad=pad, dilation=dilation, group=group)
    np.testing.assert_array_equal(got, slow(X, w, b, stride, pad, dilation, group))


@pytest.mark.parametrize(("shape", "group"), [((6, 4, 3, 2), 1), ((6, 2, 2, 3), 3), ((6, 1, 3, 2), 6)])
def test_deconvolve_is_the_transpose_of_convolve(shape, group):
    """For all x and y: <deconvolve(x), y> = <x, convolve(y)>, exactly, on integers."""
    options = {"stride": (2, 3), "pad": (1, 0), "dilation": (1, 2), "group": group}
    w = RANDOM.integers(-4, 5, shape).astype(float)
    up = deconvolve(X, w, None, **options)
    y = RANDOM.integers(-4, 5, up.shape).astype(float)
    assert (up * y).sum() == (X * convolve(y, w, None, **options)).sum()


def test_output_size_divides_towards_zero():
    assert output_size(9, 3, 2, 1, 2) == 4
    assert output_size(1, 2, 2, 0, 1) == 1
    assert output_size(3, 5, 3, 0, 1) == 1
    with pytest.raises(InvalidNetError):
        output_size(1, 3, 2, 0, 1)


def test_a_kernel_may_stick_out():
    x = np.array([[[[5.0]]], [[[7.0]]]])
    w = np.array([[[[2.0, 3.0]]]])
    np.testing.assert_array_equal(convolve(x, w, None, stride=(1, 2), pad=(0, 0), dilation=(1, 1)), 2 * x)


def test_without_spatial_axes_it_is_an_inner_product(apply):
    x, w = RANDOM.integers(-4, 5, (2, 6)), RANDOM.integers(-4, 5, (4, 6))
    text = "convolution_param { num_output: 4 bias_term: false }"
    np.testing.assert_array_equal(apply("Convolution", text, x, blobs=[w])[0], x @ w.T)


@pytest.mark.parametrize(("axes", "shape"), [(1, (2, 1, 21)), (3, (2, 1, 2, 3, 1))])
def test_one_and_three_spatial_axes(apply, axes, shape):
    x = X.reshape(2, 6, 63) if axes == 1 else X[:, :, :5].reshape(2, 6, 5, 3, 3)
    steps = "stride: 3" if axes == 1 else "stride: 2 stride: 1 stride: 2 pad: 0 pad: 1 pad: 0"
    text = f"convolution_param {{ num_output: 1 kernel_size: 3 bias_term: false {steps} }}"
    (y,) = apply("Convolution", text, x, blobs=[np.ones((1, 6, *(3,) * axes))])
    assert y.shape == shape
    assert y[1, 0].flat[-1] == (x[1, :, -3:].sum() if axes == 1 else x[1, :, 2:, 1:].sum())


def test_axis(apply):
    text = "convolution_param { num_output: 2 kernel_size: 3 axis: 2 bias_term: false }"
    w = RANDOM.integers(-4, 5, (2, 7, 3)).astype(float)
    (y,) = apply("Convolution", text, X, blobs=[w])
    assert y.shape == (2, 6, 2, 7)
    for n, c, m, j in itertools.product(range(2), range(6), range(2), range(7)):
        assert y[n, c, m, j] == (w[m] * X[n, c, :, j : j + 3]).sum()


@pytest.mark.parametrize("text", ["dilation: 2", "hole: 2", "hole_h: 2 hole_w: 2"])
def test_hole_is_dilation(apply, text):
    options = "convolution_param { num_output: 1 kernel_size: 3 bias_term: false %s }"
    ones = [np.ones((1, 6, 3, 3))]
    (y,) = apply("Convolution", options % text, X, blobs=ones)
    assert y.shape == (2, 1, 3, 5)
    assert y[1, 0, 2, 4] == X[1, :, 2::2, 4::2].sum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kernel_size: 0",
        "kernel_size: 3 stride_h: 2",
        "kernel_size: 3 kernel_h: 3 kernel_w: 3",
        "kernel_size: 3 pad: 1 pad: 1 pad: 1",
        "kernel_size: 3 group: 4",
        "kernel_size: 8 stride: 1",
        "kernel_size: 3 axis: 4",
    ],
)
def test_refuses(apply, text):
    with pytest.raises(InvalidNetError):
        apply("Convolution", f"convolution_param {{ num_output: 2 {text} }}", X, blobs=[np.ones(36), np.ones(2)])


def test_a_blob_of_another_size_is_refused(apply):
    with pytest.raises(InvalidNetError, match="blob 0 has shape"):
        apply("Convolution", "convolution_param { num_output: 2 kernel_size: 3 }", X, blobs=[np.ones(7), np.ones(2)])


def test_a_bilinear_deconvolution_without_weights(apply):
    text = (
        "convolution_param { num_output: 6 group: 6 kernel_size: 3 stride: 2 pad: 1 bias_term: false"
        ' weight_filler { type: "bilinear" } }'
    )
    (y,) = apply("Deconvolution", text, X)
    assert y.shape == (2, 6, 13, 17)
    np.testing.assert_array_equal(y[:, :, ::2, ::2], X)
    np.testing.assert_array_equal(y[:, :, ::2, 1::2], (X[..., 1:] + X[..., :-1]) / 2)


def test_deconvolution_that_leaves_nothing(apply):
    text = "convolution_param { num_output: 1 kernel_size: 3 pad: 8 bias_term: false }"
    with pytest.raises(InvalidNetError, match="leaves nothing"):
        apply("Deconvolution", text, X, blobs=[np.ones((6, 1, 3, 3))])
