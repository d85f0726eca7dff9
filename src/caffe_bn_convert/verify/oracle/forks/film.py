"""``Pooling3D`` of C3D (pool3d_layer.cpp)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, unsupported

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def pooling_3d(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """The largest or the mean of each window; windows end with the film, and so does what the mean is divided by."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "pooling3d_param"), bottoms[0]
    method = given.word("pool", "MAX")
    if method not in ("MAX", "AVE") or given.integer("pad", 0) or not given.has("kernel_depth"):
        raise unsupported("Pooling3D other than C3D's MAX and AVE without padding")
    if x.ndim != 5:
        raise InvalidNetError(f"Pooling3D takes 5 axes, not {x.ndim}")
    size, depth = (given.integer("kernel_size", 0), given.integer("stride", 1)), given.integer("kernel_depth", 0)
    of_axes = [(2, depth, given.integer("temporal_stride", 1)), (3, *size), (4, *size)]
    # The windows of a box are boxes: one axis after the other, for means too, since a window's cells are a grid.
    for axis, kernel, stride in of_axes:
        count = -(-(x.shape[axis] - kernel) // max(stride, 1)) + 1
        if min(kernel, stride, count) < 1 or (count - 1) * stride >= x.shape[axis]:
            raise InvalidNetError(f"kernel {kernel} and stride {stride} do not fit {x.shape[axis]} cells")
        parts = [x.take(np.arange(i, min(i + kernel, x.shape[axis])), axis) for i in range(0, count * stride, stride)]
        x = np.stack([part.max(axis) if method == "MAX" else part.mean(axis) for part in parts], axis)
    return [x]
