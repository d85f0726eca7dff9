"""Layers that only move values: Flatten, Reshape, Crop, Tile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .layer import canonical, expect

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule


def flatten(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """flatten_layer.cpp: the axes from ``axis`` to ``end_axis``, both included, become one."""
    x, p = bottoms[0], layer.parameter.flatten_param
    start, end = canonical(p.axis, x.ndim), canonical(p.end_axis, x.ndim)
    return [x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])]


def reshape(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """reshape_layer.cpp: ``dim`` in place of ``num_axes`` axes from ``axis`` on; 0 copies, one -1 takes the rest."""
    x, p = bottoms[0], layer.parameter.reshape_param
    if p.pixelshuffler != 1:
        return [_pixels_shuffled(x, p.pixelshuffler)]
    # A negative axis counts from after the last: -1 appends.
    start = p.axis if p.axis >= 0 else x.ndim + p.axis + 1
    end = x.ndim if p.num_axes == -1 else start + p.num_axes
    if not 0 <= start <= x.ndim or p.num_axes < -1 or end > x.ndim:
        raise InvalidNetError(f"axis {p.axis} with num_axes {p.num_axes} is out of range for {x.ndim} axes")
    dims = [_copied(x, start + i) if dim == 0 else dim for i, dim in enumerate(p.shape.dim)]
    if dims.count(-1) > 1 or any(dim < -1 for dim in dims):
        raise InvalidNetError(f"shape {list(p.shape.dim)} has more than one -1 or other negative numbers")
    shape = [*x.shape[:start], *dims, *x.shape[end:]]
    if -1 in dims:
        known = math.prod(dim for dim in shape if dim != -1)
        if known == 0 or x.size % known:
            raise InvalidNetError(f"{x.size} values do not divide into {known}")
        shape[start + dims.index(-1)] = x.size // known
    if math.prod(shape) != x.size:
        raise InvalidNetError(f"a blob of shape {x.shape} does not reshape to {tuple(shape)}")
    return [x.reshape(shape)]


def _pixels_shuffled(x: Array, r: int) -> Array:
    """synopsys-caffe's reshape_layer.cpp: channel c goes to channel c/r², to row (c/r) mod r and column c mod r of a block."""
    if r < 1 or x.ndim != 4 or x.shape[1] % (r * r):
        raise InvalidNetError(f"pixelshuffler {r} does not fit a blob of shape {x.shape}")
    n, channels, height, width = x.shape
    y = np.empty((n, channels // (r * r), height * r, width * r), x.dtype)
    for c in range(channels):
        y[:, c // (r * r), c // r % r :: r, c % r :: r] = x[:, c]
    return y


def _copied(x: Array, axis: int) -> int:
    if axis >= x.ndim:
        raise InvalidNetError(f"dim 0 copies axis {axis} of a blob of {x.ndim} axes")
    return int(x.shape[axis])


def crop(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """crop_layer.cpp: every axis from ``axis`` on to the second bottom's size, from its offset on."""
    expect(layer, bottoms, 2)
    x, p = bottoms[0], layer.parameter.crop_param
    axis = canonical(p.axis, x.ndim)
    count = x.ndim - axis
    if len(p.offset) not in (0, 1, count):
        raise InvalidNetError(f"{len(p.offset)} offsets for {count} axes")
    offsets = list(p.offset) * count if len(p.offset) == 1 else list(p.offset) or [0] * count
    sizes = bottoms[1].shape[axis : x.ndim]
    if len(sizes) != count or any(n < o + m for n, o, m in zip(x.shape[axis:], offsets, sizes, strict=True)):
        raise InvalidNetError(f"{x.shape} cannot be cropped to {bottoms[1].shape} from axis {axis}, offsets {offsets}")
    window: tuple[Any, ...] = (..., *(slice(o, o + m) for o, m in zip(offsets, sizes, strict=True)))
    return [x[window]]


def tile(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """tile_layer.cpp: the whole axis, ``tiles`` times over."""
    x, p = bottoms[0], layer.parameter.tile_param
    if p.tiles < 1:
        raise InvalidNetError(f"tiles {p.tiles} is not positive")
    return [np.concatenate([x] * p.tiles, canonical(p.axis, x.ndim))]


LAYERS: dict[str, Rule] = {"Crop": crop, "Flatten": flatten, "Reshape": reshape, "Tile": tile}

DISCONTINUOUS: frozenset[str] = frozenset()
