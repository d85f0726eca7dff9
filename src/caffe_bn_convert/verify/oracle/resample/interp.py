"""Interp: bilinear interpolation in which the corners meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def align_corners(x: Array, height: int, width: int) -> Array:
    """Bilinear interpolation in which the corners meet (``caffe_cpu_interp2`` of DeepLab's util/interp.cpp).

    The position of a sample is a float32 in Caffe, whatever the type of the data.
    """
    return _along(_along(x, height, -2), width, -1)


def _along(x: Array, size: int, axis: int) -> Array:
    old = x.shape[axis]
    if old == size:
        return x
    ratio = np.float32(old - 1) / np.float32(size - 1) if size > 1 else np.float32(0)
    position = ratio * np.arange(size, dtype=np.float32)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, old - 1)
    shape = [1] * x.ndim
    shape[axis] = size
    share = (position - low.astype(np.float32)).astype(x.dtype).reshape(shape)
    mixed: Array = (1 - share) * x.take(low, axis) + share * x.take(high, axis)
    return mixed


def bilinear_interpolation(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``BilinearInterpolation`` (ctensmeyer's bilinear_layer.cpp): corners aligned, to the second bottom's size.

    Its factor is (in - 1) / (out - 1), so an output of one cell divides by 0; the neighbour that it reads behind the
    last cell has the weight 0.
    """
    expect(layer, bottoms, 2)
    height, width = bottoms[1].shape[2:4]
    if height < 2 or width < 2:
        raise InvalidNetError(f"BilinearInterpolation to {height}×{width} divides by 0")
    return [align_corners(bottoms[0], height, width)]


def _interp_size(given: Fields, height: int, width: int) -> tuple[int, int]:
    """Output height and width by the first rule that fits (interp_layer.cpp ``Reshape``)."""
    shrink, zoom = given.integer("shrink_factor", 1), given.integer("zoom_factor", 1)
    has_shrink, has_zoom = given.has("shrink_factor"), given.has("zoom_factor")
    if has_shrink == has_zoom and given.has("height") and given.has("width"):
        return given.integer("height", 0), given.integer("width", 0)
    if has_shrink or has_zoom:
        sizes = [(size - 1) // shrink + 1 for size in (height, width)]
        return sizes[0] + (sizes[0] - 1) * (zoom - 1), sizes[1] + (sizes[1] - 1) * (zoom - 1)
    if given.has("full_zoom_factor"):
        full = given.integer("full_zoom_factor", 1)
        return height * full, width * full
    raise InvalidNetError("Interp needs height and width, shrink_factor or zoom_factor")


def interp(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Interp`` (interp_layer.cpp of DeepLab v2 and PSPNet): always with corners aligned; negative pads crop.

    Of the sizes the first given counts: only shrink_factor, only zoom_factor, height and width, shrink then zoom;
    ``full_zoom_factor`` (synopsys) last. In some forks a second bottom gives the size by its own, and then alone.
    """
    expect(layer, bottoms, 1, 2)
    given = fields(layer, "interp_param")
    if not given.flag("align_corners", default=True) or given.word("type", "Bilinear") != "Bilinear":
        raise UnsupportedError("Interp with align_corners: false or another type than Bilinear")
    before, after = given.integer("pad_beg", 0), given.integer("pad_end", 0)
    if before > 0 or after > 0:
        raise InvalidNetError("Interp only takes pads of 0 or less, which crop")
    x = bottoms[0]
    x = x[..., -before : x.shape[-2] + after, -before : x.shape[-1] + after]
    if 0 in x.shape[-2:]:
        raise InvalidNetError("Interp's pads leave nothing of the input")
    if len(bottoms) == 2:
        if any(given.has(name) for name in ("shrink_factor", "zoom_factor", "height", "width")):
            raise InvalidNetError("Interp with a second bottom takes its size from there alone")
        return [align_corners(x, *bottoms[1].shape[-2:])]
    height, width = _interp_size(given, *x.shape[-2:])
    if height < 1 or width < 1:
        raise InvalidNetError(f"Interp's output would be {height}×{width}")
    return [align_corners(x, height, width)]
