from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle import forward
from caffe_bn_convert.verify.oracle.pool import LOWEST

X = np.random.default_rng(3).integers(-9, 9, (2, 3, 7, 9)).astype(np.float64)


def slow(x, kernel, stride, pad, method, *, floor):
    """pooling_layer.cpp, one window at a time."""
    sizes = []
    for n, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True):
        out = (math.floor if floor else math.ceil)((n + 2 * p - k) / s) + 1
        sizes.append(out - 1 if any(pad) and (out - 1) * s >= n + p else out)
    y = np.zeros((*x.shape[:2], *sizes))
    for i, j in np.ndindex(*sizes):
        starts = [i * stride[0] - pad[0], j * stride[1] - pad[1]]
        ends = [min(a + k, n + p) for a, k, n, p in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        divisor = (ends[0] - starts[0]) * (ends[1] - starts[1])
        window = x[:, :, max(0, starts[0]) : max(0, ends[0]), max(0, starts[1]) : max(0, ends[1])]
        with np.errstate(all="ignore"):
            y[:, :, i, j] = (
                window.max((2, 3), initial=LOWEST) if method == "MAX" else window.sum((2, 3)) / np.float64(divisor)
            )
    return y


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize("floor", [False, True])
def test_all_geometries(apply, method, floor):
    tried = 0
    kernels = itertools.product((1, 2, 4), (1, 3, 8))
    for kernel, stride, pad in itertools.product(kernels, ((1, 4), (3, 2)), ((0, 0), (1, 0), (0, 2))):
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            continue
        text = "pooling_param {{ pool: {} kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} pad_h: {} pad_w: {} {} }}"
        rounding = "round_mode: FLOOR" if floor else ""
        with np.errstate(all="ignore"):
            (y,) = apply("Pooling", text.format(method, *kernel, *stride, *pad, rounding), X)
        np.testing.assert_allclose(y, slow(X, kernel, stride, pad, method, floor=floor), rtol=1e-14)
        tried += 1
    assert tried == 42


def test_windows_without_cells(apply):
    text = "pooling_param { pool: %s kernel_size: 1 stride: 4 }"
    with np.errstate(all="ignore"):
        (largest,), (mean,) = (apply("Pooling", text % method, X[:, :, :, :7]) for method in ("MAX", "AVE"))
    assert largest.shape == (2, 3, 3, 3)
    assert (largest[:, :, 2] == LOWEST).all()
    assert (mean[:, :, 2, :2] == 0).all()
    assert np.signbit(mean[:, :, 2, :2]).all()


def test_nan_never_wins(apply):
    x = X.copy()
    x[0, 0, 0, 0] = np.nan
    assert apply("Pooling", "pooling_param { global_pooling: true }", x)[0][0, 0, 0, 0] == np.nanmax(x[0, 0])


def test_mask_is_the_first_of_equals_and_minus_one_of_none():
    text = 'layer { type: "Pooling" bottom: "x" top: "y" top: "m" pooling_param { kernel_size: 2 stride: 3 } }'
    x = np.zeros((1, 1, 4, 5))
    x[0, 0, 3] = -np.inf
    y, mask = forward(parse_net(text).layers[0], [x], ())
    np.testing.assert_array_equal(mask, [[[[0, 3], [-1, -1]]]])
    np.testing.assert_array_equal(y, [[[[0, 0], [LOWEST, LOWEST]]]])


def test_ceil_mode_of_forks(apply):
    assert apply("Pooling", "pooling_param { kernel_size: 2 stride: 2 ceil_mode: false }", X)[0].shape == (2, 3, 3, 4)
    assert apply("Pooling", "pooling_param { kernel_size: 2 stride: 2 ceil_mode: true }", X)[0].shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kernel_h: 3",
        "kernel_size: 3 kernel_h: 3 kernel_w: 3",
        "kernel_size: 3 pad_w: 1",
        "kernel_size: 3 pad: 3",
        "kernel_size: 3 stride: 0",
        "kernel_size: 3 stride: 2 stride_h: 1 stride_w: 1",
        "global_pooling: true kernel_size: 3",
        "global_pooling: true stride: 2",
        "kernel_size: 10",
    ],
)
def test_refuses(apply, text):
    with pytest.raises(InvalidNetError):
        apply("Pooling", f"pooling_param {{ {text} }}", X)


def test_refuses_other_axes_and_stochastic(apply):
    with pytest.raises(InvalidNetError, match="4 axes"):
        apply("Pooling", "pooling_param { kernel_size: 3 }", X[0])
    with pytest.raises(UnsupportedError, match="STOCHASTIC"):
        apply("Pooling", "pooling_param { kernel_size: 3 pool: STOCHASTIC }", X)


def test_spp_joins_levels(apply):
    (y,) = apply("SPP", "spp_param { pyramid_height: 2 }", X)
    assert y.shape == (2, 3 + 3 * 4)
    np.testing.assert_array_equal(y[:, :3], X.max((2, 3)))
    with pytest.raises(InvalidNetError, match="too many"):
        apply("SPP", "spp_param { pyramid_height: 4 }", X[:, :, :5])
