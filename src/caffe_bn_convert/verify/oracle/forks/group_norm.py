"""``GroupNorm`` of dongyf43 (group_norm_layer.cpp, .cu), which has no blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def group_norm(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``(x - E x) / sqrt(E (x - E x)^2 + eps)`` over neighbouring channels and all that is behind them."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "group_norm_param"), bottoms[0]
    groups = given.integer("group_num", 0)
    if blobs or not given.has("group_num"):
        raise UnsupportedError("GroupNorm of another fork")
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise InvalidNetError(f"{groups} groups do not divide a blob of {x.shape}")
    rows = x.reshape(x.shape[0] * groups, x[0].size // groups)
    rows = rows - rows.mean(axis=1, keepdims=True)
    eps = layer.dtype.type(given.number("eps", 1e-5))
    return [(rows / np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + eps)).reshape(x.shape)]
