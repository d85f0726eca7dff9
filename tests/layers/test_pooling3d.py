from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 5, 7, 9)


def net(rest):
    return input_layer(*X.shape) + layer("Pooling3D", "y", rest=f"pooling3d_param {{ {rest} }}")


def pooled(x, kernel, stride, method):
    """The loops of pool3d_layer.cpp."""
    counts = [math.ceil((n - k) / s) + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    top = np.zeros((*x.shape[:2], *counts))
    for n, c, *window in np.ndindex(*top.shape):
        starts = [i * s for i, s in zip(window, stride, strict=True)]
        ends = [min(i + k, size) for i, k, size in zip(starts, kernel, x.shape[2:], strict=True)]
        (l0, h0, w0), (l1, h1, w1) = starts, ends
        cells = [x[n, c, i, h, w] for i in range(l0, l1) for h in range(h0, h1) for w in range(w0, w1)]
        top[(n, c, *window)] = max(cells) if method == "MAX" else sum(cells) / len(cells)
    return top


@pytest.mark.parametrize(
    ("rest", "kernel", "stride"),
    [
        ("pool: MAX kernel_size: 1 stride: 1 kernel_depth: 2 temporal_stride: 2", (2, 1, 1), (2, 1, 1)),
        ("kernel_size: 2 stride: 2 kernel_depth: 3", (3, 2, 2), (1, 2, 2)),  # the last windows stick out
        ("pool: AVE kernel_size: 3 stride: 2 kernel_depth: 5", (5, 3, 3), (1, 2, 2)),
    ],
)
def test_windows(tmp_path, rest, kernel, stride):
    got = check_by_oracle(tmp_path, net(rest), {"data": X})["y"]
    np.testing.assert_allclose(
        got, pooled(X, kernel, stride, rest[6:9] if "pool" in rest else "MAX"), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("kernel_size: 2", "without kernel_depth"),
        ("kernel_size: 2 kernel_depth: 2 pad_h0: 1", '"pad_h0"'),
        ("pool: AVE kernel_size: 2 kernel_depth: 2 pad: 1", '"pad"'),
        ("pool: AVE kernel_size: 2 kernel_depth: 2 stride: 2", "AVE with windows that stick out"),
        ("pool: STOCHASTIC kernel_size: 2 kernel_depth: 2", "random"),
        ("kernel_depth: 2", "must be above 0"),
        ("kernel_size: 1 kernel_depth: 2 stride: 8", "outside the bottom"),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net(rest))[0])
