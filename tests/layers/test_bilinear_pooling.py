from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


def summed(x, kernel, stride):
    """The loops of sum_pooling_layer.cpp for pool: SUM."""
    counts = [math.ceil((size - k) / s) + 1 for size, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    top = np.zeros((*x.shape[:2], *counts))
    for n, c, ph, pw in np.ndindex(*top.shape):
        hstart, wstart = ph * stride[0], pw * stride[1]
        for h in range(hstart, min(hstart + kernel[0], x.shape[2])):
            for w in range(wstart, min(wstart + kernel[1], x.shape[3])):
                top[n, c, ph, pw] += x[n, c, h, w]
    return top


@pytest.mark.parametrize(
    ("rest", "kernel", "stride"),
    [
        ("kernel_h: 7 kernel_w: 9", (7, 9), (1, 1)),
        ("kernel_size: 3 stride: 2", (3, 3), (2, 2)),
        ("kernel_h: 2 kernel_w: 4 stride_h: 3 stride_w: 2", (2, 4), (3, 2)),
        ("kernel_h: 2 kernel_w: 1 stride_h: 5 stride_w: 10", (2, 1), (5, 10)),  # the last window lies outside
        ("kernel_size: 8 stride: 4", (8, 8), (4, 4)),  # taller than the image
        ("global_pooling: true", (7, 9), (1, 1)),
    ],
)
def test_sums(tmp_path, rest, kernel, stride):
    text = input_layer(*X.shape) + layer("SumPooling", "y", rest=f"sum_pooling_param {{ pool: SUM {rest} }}")
    got = check_by_oracle(tmp_path, text, {"data": X})["y"]
    np.testing.assert_allclose(got, summed(X, kernel, stride), rtol=1e-5, atol=1e-5)


def test_signed_roots(tmp_path):
    x = np.float32([[0.0, 4, -9, 1e-30, -1e-30, 2]])
    got = check_by_oracle(tmp_path, input_layer(1, 6) + layer("SignedSqrt", "y"), {"data": x})["y"]
    by_hand = [math.sqrt(v) if v >= 0 else -math.sqrt(-v) for v in x[0].astype(float)]
    np.testing.assert_allclose(got[0], by_hand, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (2, 5), (4,)])
def test_items_of_length_one_in_four_axes(tmp_path, shape):
    x = values("data", *shape) * 1e-3
    got = check_by_oracle(tmp_path, input_layer(*shape) + layer("L2Normalize", "y"), {"data": x})["y"]
    assert got.shape == (*shape, *[1] * (4 - len(shape)))
    for item, row in zip(x.astype(float), got, strict=True):
        by_hand = item * (sum(v * v for v in item.ravel()) + 1e-7) ** -0.5
        np.testing.assert_allclose(row.ravel(), by_hand.ravel(), rtol=1e-5)


BILINEAR = layer("SumPooling", "s", rest="sum_pooling_param { pool: SUM global_pooling: true }")
BILINEAR += layer("SignedSqrt", "r", "s") + layer("L2Normalize", "y", "r")


def test_the_head_is_proven_and_dynamic(tmp_path):
    text = input_layer(2, 3, 7, 9) + BILINEAR
    assert cbc.convert(write_net(tmp_path, text)[0]).verify().verdict == "proven"
    check_dynamic(tmp_path, text, {"N": 4, "H": 5}, data=("N", 3, "H", 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (layer("SumPooling", "y", rest="sum_pooling_param { kernel_size: 2 }"), "pool: MAX is not supported"),
        (layer("SumPooling", "y", rest="sum_pooling_param { pool: SUM kernel_size: 2 pad: 1 }"), "no padding for sums"),
        (layer("SumPooling", "y", rest="sum_pooling_param { pool: SUM }"), "must be given in both directions"),
        (layer("SumPooling", "y", rest="sum_pooling_param { pool: SUM kernel_size: 12 stride: 2 }"), "does not fit"),
        (layer("L2Normalize", "y", "data", "data"), "works in place"),
        (layer("SignedSqrt", "y", "data", "data"), "works in place"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, input_layer(*X.shape) + text)[0])
