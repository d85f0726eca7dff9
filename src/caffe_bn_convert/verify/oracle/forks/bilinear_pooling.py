"""Bilinear pooling as Hierarchical Bilinear Pooling has it: sums of windows, signed roots, items of length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape, unsupported

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def sum_pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SumPooling`` (sum_pooling_layer.cpp): windows begin at every stride, rounded up, and end with the image."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "sum_pooling_param"), bottoms[0]
    if given.word("pool", "MAX") != "SUM":
        raise unsupported("SumPooling other than SUM")
    if x.ndim != 4 or given.integer("pad", 0) or given.integer("pad_h", 0) or given.integer("pad_w", 0):
        raise InvalidNetError("SumPooling takes 4 axes and no padding")
    if given.flag("global_pooling", default=False):
        return [x.sum(axis=(2, 3), keepdims=True)]
    for axis, name in ((2, "h"), (3, "w")):
        kernel = given.integer(f"kernel_{name}", given.integer("kernel_size", 0))
        stride = given.integer(f"stride_{name}", given.integer("stride", 1))
        count = -(-(x.shape[axis] - kernel) // max(stride, 1)) + 1
        if min(kernel, stride, count) < 1:
            raise InvalidNetError(f"kernel {kernel} and stride {stride} do not fit {x.shape[axis]} cells")
        parts = [x.take(np.arange(i, min(i + kernel, x.shape[axis])), axis) for i in range(0, count * stride, stride)]
        x = np.concatenate([part.sum(axis=axis, keepdims=True) for part in parts], axis=axis)
    return [x]


def signed_sqrt(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SignedSqrt`` (signed_sqrt_layer.cpp)."""
    expect(layer, bottoms, 1)
    x = bottoms[0]
    return [np.where(x >= 0, np.sqrt(np.maximum(x, 0)), -np.sqrt(np.maximum(-x, 0)))]


def l2_normalize(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``L2Normalize`` (l2_normalize_layer.cpp): items times ``pow(sum of squares + 1e-7, -0.5)``, in four axes."""
    expect(layer, bottoms, 1)
    x = bottoms[0].reshape(legacy_shape(bottoms[0]))
    total = np.square(x).sum(axis=(1, 2, 3), keepdims=True) + layer.dtype.type(np.float32(1e-7))
    return [x * total ** layer.dtype.type(-0.5)]
