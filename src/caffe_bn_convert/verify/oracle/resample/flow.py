"""FlowNet's layers (flownet2's CUDA kernels, with synopsys-caffe's CPU versions): Resample, FlowWarp, Correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def _round(place: Array) -> Array:
    """C's ``round``: halves away from zero."""
    exact = place.astype(np.float64)
    return np.trunc(exact + np.copysign(0.5, exact)).astype(np.int64)


def _resampled_size(given: Fields, bottoms: list[Array]) -> tuple[int, int]:
    """That of the second bottom, else ``height`` and ``width``, else ``factor`` times the first's (OpenVINO)."""
    if len(bottoms) == 2:
        return legacy_shape(bottoms[1])[2:]
    old, factor = legacy_shape(bottoms[0])[2:], given.number("factor", 0)
    size = given.integer("height", int(old[0] * factor)), given.integer("width", int(old[1] * factor))
    if min(size) < 1:
        raise InvalidNetError("Resample needs a height and a width")
    return size


def _cubic(x: Array) -> Array:
    near = x * x * (np.float32(1.5) * x - np.float32(2.5)) + np.float32(1)
    far = x * (x * (np.float32(-0.5) * x + np.float32(2.5)) - np.float32(4)) + np.float32(2)
    return np.where(x <= 1, near, np.where(x < 2, far, np.float32(0)))


def _triangle(x: Array) -> Array:
    return np.maximum(np.float32(1) - x, np.float32(0))


def _places(size: int, own: np.float32, other: np.float32) -> Array:
    """Where samples fall. The half pixel is the *other* axis's: so it stands in FlowNet's kernels."""
    return np.arange(size, dtype=np.float32) * own + other / np.float32(2) - np.float32(0.5)


def _weights(place: Array, old: int, ratio: np.float32, *, cubic: bool, smooth: bool) -> Array:
    """A matrix (new, old) whose rows sum to 1, or to 0 where nothing is in reach."""
    reach = np.float32(1) / (ratio if smooth else np.float32(1))
    radius = 2 if ratio < 1 else int(np.ceil(np.float32(4 if cubic else 2) / reach))
    cells = np.arange(old)
    distance = np.abs(reach * (place[:, None] - cells.astype(np.float32)))
    weight = _cubic(distance) if cubic else _triangle(distance)
    weight = np.where(np.abs(cells - _round(place)[:, None]) <= radius, weight, 0).astype(np.float64)
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total != 0))


def resample(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Resample`` (resample_layer.cu): NEAREST, LINEAR or CUBIC, smoothed when it shrinks unless ``antialias: false``."""
    expect(layer, bottoms, 1, 2)
    given, x = fields(layer, "resample_param"), bottoms[0]
    (height, width), old = _resampled_size(given, bottoms), x.shape[2:]
    fy, fx = np.float32(old[0]) / np.float32(height), np.float32(old[1]) / np.float32(width)
    rows, columns = _places(height, fy, fx), _places(width, fx, fy)
    kind = given.word("type", "LINEAR")
    if kind == "NEAREST":
        index = _round(rows), _round(columns)
        if any(i.min() < 0 or i.max() >= limit for i, limit in zip(index, old, strict=True)):
            raise InvalidNetError("Resample with these sizes reads outside its bottom")
        return [x[:, :, index[0][:, None], index[1]]]
    if kind not in ("LINEAR", "CUBIC"):
        raise UnsupportedError(f"resample_param.type {kind}")
    smooth = bool(fx > 1 or fy > 1) and given.flag("antialias", default=True)
    down = _weights(rows, old[0], fy, cubic=kind == "CUBIC", smooth=smooth).astype(layer.dtype)
    across = _weights(columns, old[1], fx, cubic=kind == "CUBIC", smooth=smooth).astype(layer.dtype)
    return [down @ x @ across.T]


def flow_warp(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``FlowWarp`` (flow_warp_layer.cpp): the image read at x + flow; outside it 0, or NaN with ``NOT_A_NUMBER``."""
    expect(layer, bottoms, 2)
    image, flow = bottoms
    n, _, h, w = legacy_shape(image)
    if flow.shape != (n, 2, h, w):
        raise InvalidNetError(f"FlowWarp's flow must be {(n, 2, h, w)}, not {flow.shape}")
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x, y = x + flow[:, 0].astype(np.float32), y + flow[:, 1].astype(np.float32)
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    left, top = np.where(inside, x, 0).astype(np.int64), np.where(inside, y, 0).astype(np.int64)
    right, bottom = np.minimum(left + 1, w - 1), np.minimum(top + 1, h - 1)
    a, b = ((np.where(inside, place, 0) - low).astype(layer.dtype)[:, None] for place, low in ((x, left), (y, top)))
    image_index = np.arange(n)[:, None, None]

    def read(row: Array, column: Array) -> Array:
        return image[image_index, :, row, column].transpose(0, 3, 1, 2)

    value = (1 - a) * (1 - b) * read(top, left) + a * (1 - b) * read(top, right)
    value = value + (1 - a) * b * read(bottom, left) + a * b * read(bottom, right)
    outside = np.nan if fields(layer, "flow_warp_param").word("fill_value", "ZERO") == "NOT_A_NUMBER" else 0
    return [np.where(inside[:, None], value, outside)]


def correlation(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Correlation`` (correlation_layer.cpp): the mean over a patch of products, for each shift of the second bottom.

    Channels count the shifts row by row, ``stride_2`` apart; ``SUBTRACT`` takes absolute differences instead.
    """
    expect(layer, bottoms, 2)
    given = fields(layer, "correlation_param")
    kernel, reach, pad = (given.integer(name, 0) for name in ("kernel_size", "max_displacement", "pad"))
    step, shift = given.integer("stride_1", 1), given.integer("stride_2", 1)
    if kernel % 2 == 0 or bottoms[0].shape != bottoms[1].shape or step < 1 or shift < 1:
        raise InvalidNetError("Correlation needs an odd kernel_size, strides of at least 1 and bottoms of one shape")
    border = reach + kernel // 2
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    a, b = (np.pad(bottom, around) for bottom in bottoms)
    sizes = [-(-(size - 2 * border) // step) for size in a.shape[2:]]
    if min(sizes) < 1:
        raise InvalidNetError("Correlation's kernel and displacement do not fit into its bottoms")
    radius = reach // shift
    shifts = [index * shift for index in range(-radius, radius + 1)]
    absolute = given.word("correlation_type", "MULTIPLY") == "SUBTRACT"
    maps = [
        _correlated(a, b, (reach, kernel, step), (dy, dx), sizes, absolute=absolute) for dy in shifts for dx in shifts
    ]
    return [np.stack(maps, axis=1)]


def _correlated(
    a: Array, b: Array, geometry: tuple[int, int, int], shift: tuple[int, int], sizes: list[int], *, absolute: bool
) -> Array:
    """One channel of Correlation, (N, H, W)."""
    reach, kernel, step = geometry
    total = np.zeros((len(a), *sizes), a.dtype)
    for j, i in np.ndindex(kernel, kernel):
        y = reach + j + step * np.arange(sizes[0])[:, None]
        x = reach + i + step * np.arange(sizes[1])
        first, second = a[:, :, y, x], b[:, :, y + shift[0], x + shift[1]]
        total += (np.abs(first - second) if absolute else first * second).sum(axis=1)
    mean: Array = total / a.dtype.type(kernel * kernel * a.shape[1])
    return mean
