"""``MaskResize`` of MNC (mask_resize_layer.cu); where a cell falls is computed in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def mask_resize(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``bilinear_interpolate``, one axis after the other; 0 where a cell lies more than half a cell behind the last."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "mask_resize_param"), bottoms[0]
    for axis, name in ((2, "output_height"), (3, "output_width")):
        new = given.integer(name, 0)
        if x.ndim != 4 or new < 1:
            raise InvalidNetError(f"MaskResize takes 4 axes and an {name}")
        old = x.shape[axis]
        inverse = np.arange(new).astype(np.float32) * (np.float32(old) / np.float32(new))
        low = np.minimum(inverse.astype(int), old - 1)
        high = np.minimum(low + 1, old - 1)
        part = np.where(low == old - 1, np.float32(0), inverse - low.astype(np.float32))
        shape = [1] * axis + [new] + [1] * (3 - axis)
        far = part.astype(layer.dtype).reshape(shape)
        seen = (inverse <= old - 0.5).astype(layer.dtype).reshape(shape)
        x = seen * ((1 - far) * x.take(low, axis) + far * x.take(high, axis))
    return [x]
