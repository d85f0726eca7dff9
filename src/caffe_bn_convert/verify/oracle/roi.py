"""Pooling over regions of interest. A region is a row (image, x1, y1, x2, y2) in pixels of the net's input.

Where the regions fall is computed in float32 whatever the layer's dtype, as Caffe does: rounding decides there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .fields import fields
from .layer import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Fields
    from .layer import Array, Blobs, Layer, Rule


def rounded(value: Array) -> Array:
    """C's ``round``: halves away from zero."""
    exact = value.astype(np.float64)
    nearest: Array = np.trunc(exact + np.copysign(0.5, exact)).astype(value.dtype)
    return nearest


def regions(rois: Array, images: int) -> tuple[Array, Array]:
    """Image index and the four coordinates of each region, float32; raises InvalidNetError for an unknown image."""
    rows = rois.reshape(len(rois), math.prod(rois.shape[1:]))[:, :5].astype(np.float32)
    if rows.shape[1] != 5 or (len(rows) and not (0 <= rows[:, 0].min() <= rows[:, 0].max() < images)):
        raise InvalidNetError(f"ROIs must be rows (image, x1, y1, x2, y2) with image below {images}")
    return rows[:, 0].astype(np.int64), rows[:, 1:]


def _edges(start: Array, size: Array, bins: int, limit: int) -> tuple[Array, Array]:
    """First and last-but-one cell of each bin along one axis, (regions, bins), clipped to the map."""
    step = (size / np.float32(bins)).astype(np.float32)[:, None]
    index = np.arange(bins, dtype=np.float32)
    low = np.floor(index * step + start[:, None]).astype(np.int64)
    high = np.ceil((index + 1) * step + start[:, None]).astype(np.int64)
    return low.clip(0, limit), high.clip(0, limit)


Edges: TypeAlias = "tuple[Array, Array]"


def pool(x: Array, image: Array, rows: Edges, columns: Edges, reduce: Callable[..., Array]) -> Array:
    """``reduce`` over H and W of each bin, 0 for empty bins: (regions, C, bins down, bins across)."""
    top = np.zeros((len(image), x.shape[1], rows[0].shape[1], columns[0].shape[1]), x.dtype)
    for n, ph, pw in np.ndindex(len(image), *top.shape[2:]):
        window = x[image[n], :, rows[0][n, ph] : rows[1][n, ph], columns[0][n, pw] : columns[1][n, pw]]
        if window.size:
            top[n, :, ph, pw] = reduce(window, axis=(1, 2))
    return top


def _padded(corners: Array, given: Fields) -> Array:
    """MS-CNN's and Cascade R-CNN's ``pad_ratio``: regions grow on each side by that share of their sides."""
    pad = (corners[:, 2:] - corners[:, :2] + 1) * np.float32(given.number("pad_ratio", 0))
    return np.concatenate([corners[:, :2] - pad, corners[:, 2:] + pad], axis=1)


def roi_pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ROIPooling`` of Fast R-CNN (roi_pooling_layer.cpp): maxima; corners are rounded, the last pixel belongs."""
    expect(layer, bottoms, 2)
    given, x = fields(layer, "roi_pooling_param"), bottoms[0]
    down, across = given.integer("pooled_h", 0), given.integer("pooled_w", 0)
    if given.has("pooled_size"):
        raise InvalidNetError("roi_pooling_param.pooled_size is Intel's 3-D dialect")
    if down < 1 or across < 1:
        raise InvalidNetError("ROIPooling needs pooled_h and pooled_w")
    image, corners = regions(bottoms[1], len(x))
    corners = _padded(corners, given)
    corner = rounded(corners * np.float32(given.number("spatial_scale", 1)))
    size = np.maximum(corner[:, 2:] - corner[:, :2] + 1, 1)
    nothing = np.zeros(len(image), np.float32)
    edges = []
    for axis, bins, limit in ((1, down, x.shape[2]), (0, across, x.shape[3])):
        # The bins are laid out from 0 and moved by the whole number afterwards: no rounding in between.
        low, high = _edges(nothing, size[:, axis], bins, np.iinfo(np.int64).max)
        moved = corner[:, axis].astype(np.int64)[:, None]
        edges.append(((low + moved).clip(0, limit), (high + moved).clip(0, limit)))
    return [pool(x, image, edges[0], edges[1], np.max)]


def psroi_pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``PSROIPooling`` of R-FCN (psroi_pooling_layer.cu): averages; bin (i, j) of output c from channel (c·g+i)·g+j.

    Unlike ROIPooling it rounds before scaling, and the far corner is the pixel's far edge.
    """
    expect(layer, bottoms, 2)
    given, x = fields(layer, "psroi_pooling_param"), bottoms[0]
    outputs, group = given.integer("output_dim", 0), given.integer("group_size", 0)
    if outputs < 1 or group < 1 or x.shape[1] != outputs * group * group:
        raise InvalidNetError(f"PSROIPooling needs output_dim·group_size² channels, there are {x.shape[1]}")
    image, corners = regions(bottoms[1], len(x))
    scale = np.float32(given.number("spatial_scale", 1))
    start, end = rounded(corners[:, :2]) * scale, (rounded(corners[:, 2:]) + 1) * scale
    size = np.maximum(end - start, 0.1).astype(np.float32)
    rows = _edges(start[:, 1], size[:, 1], group, x.shape[2])
    columns = _edges(start[:, 0], size[:, 0], group, x.shape[3])
    everywhere = pool(x, image, rows, columns, np.mean).reshape(len(image), outputs, group, group, group, group)
    bins = np.arange(group)
    return [everywhere[:, :, bins[:, None], bins, bins[:, None], bins]]


def roi_align(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ROIAlign`` of the Mask R-CNN fork and synopsys-caffe (roi_align_layer.cpp); with sampling_ratio Cambricon's;

    with roi_pooling_param that of MS-CNN and Cascade R-CNN.
    Each bin is the largest of four sums over its first four cells, weighted by where they stand in the *region*.
    """
    expect(layer, bottoms, 2)
    if layer.parameter.HasField("roi_pooling_param"):
        return [_grid(fields(layer, "roi_pooling_param"), *bottoms)]
    given, x = fields(layer, "roi_align_param"), bottoms[0]
    down, across = given.integer("pooled_h", 0), given.integer("pooled_w", 0)
    if down < 1 or across < 1:
        raise InvalidNetError("ROIAlign needs pooled_h and pooled_w")
    if given.has("sampling_ratio"):
        return [_averages(given, x, bottoms[1].reshape(-1, 5), (down, across))]
    image, corners = regions(bottoms[1], len(x))
    scaled = corners * np.float32(given.number("spatial_scale", 1))
    top = np.zeros((len(image), x.shape[1], down, across), x.dtype)
    # Caffe reads the cell behind the last row or column from memory as it lies there; behind the last image be zeros.
    memory = np.append(x.reshape(-1), np.zeros(x[0, 0].size + x.shape[3] + 1, x.dtype))
    for n, ph, pw in np.ndindex(len(image), down, across):
        rows = _bin(scaled[n, 1], scaled[n, 3], ph, down, x.shape[2])
        columns = _bin(scaled[n, 0], scaled[n, 2], pw, across, x.shape[3])
        top[n, :, ph, pw] = _largest(memory, x.shape, int(image[n]), rows, columns)
    return [top]


def _grid(given: Fields, x: Array, rois: Array) -> Array:
    """roi_align_layer.cpp of MS-CNN and Cascade R-CNN: samples at the corners of the bins, one more than there are bins."""
    down, across = given.integer("pooled_h", 0), given.integer("pooled_w", 0)
    if down < 1 or across < 1:
        raise InvalidNetError("ROIAlign needs pooled_h and pooled_w")
    image, corners = regions(rois, len(x))
    scaled = _padded(corners, given) * np.float32(given.number("spatial_scale", 1)) - np.float32(0.5)
    top = np.zeros((len(image), x.shape[1], down + 1, across + 1), x.dtype)
    for n, (left, upper, right, lower) in enumerate(scaled):
        if not (right > left and lower > upper):
            continue
        rows = upper + np.arange(down + 1, dtype=np.float32) * ((lower - upper) / np.float32(down))
        columns = left + np.arange(across + 1, dtype=np.float32) * ((right - left) / np.float32(across))
        for i, j in np.ndindex(*top.shape[2:]):
            top[n, :, i, j] = _bilinear(x[image[n]], rows[i], columns[j])
    return top


def _averages(given: Fields, x: Array, rois: Array, bins: tuple[int, int]) -> Array:
    """roi_align_layer.cpp of Cambricon's Caffe, which is Detectron's: averages of samples, nothing rounded."""
    if len(x) != 1:
        raise InvalidNetError("Cambricon's ROIAlign takes one image")
    image, corners = regions(rois, 1)
    scaled, ratio = corners * np.float32(given.number("spatial_scale", 1)), given.integer("sampling_ratio", 0)
    top = np.zeros((len(image), x.shape[1], *bins), x.dtype)
    for n, region in enumerate(scaled):
        down = _sampled(region[1], region[3], bins[0], ratio, x.shape[2])
        across = _sampled(region[0], region[2], bins[1], ratio, x.shape[3])
        top[n] = np.einsum("ph,chw,qw->cpq", down, x[0].astype(np.float64), across)
    return top


def _sampled(start: np.float32, end: np.float32, bins: int, ratio: int, size: int) -> Array:
    """What each cell of an axis contributes to each bin, (bins, size): the mean of its samples."""
    step = max(end - start, np.float32(1)) / np.float32(bins)
    count = ratio or int(np.ceil(step))
    weights = np.zeros((bins, size))
    for index, sample in np.ndindex(bins, count):
        place = start + np.float32(index) * step + (np.float32(sample) + np.float32(0.5)) * step / np.float32(count)
        if place < -1 or place > size:
            continue
        place = min(max(place, np.float32(0)), np.float32(size - 1))
        low = int(np.floor(place))
        weights[index, low] += (1 - (place - low)) / count
        weights[index, min(low + 1, size - 1)] += (place - low) / count
    return weights


def roi_warping(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ROIWarping`` of MNC (roi_warping_layer.cu): one sample a bin, at its near corner; regions are rounded.

    What is more than half a cell outside is 0.
    """
    expect(layer, bottoms, 2)
    given, x = fields(layer, "roi_warping_param"), bottoms[0]
    down, across = given.integer("pooled_h", 0), given.integer("pooled_w", 0)
    if down < 1 or across < 1:
        raise InvalidNetError("ROIWarping needs pooled_h and pooled_w")
    image, corners = regions(bottoms[1], len(x))
    corner = rounded(corners * np.float32(given.number("spatial_scale", 1)))
    top = np.zeros((len(image), x.shape[1], down, across), x.dtype)
    for n, (left, upper, right, lower) in enumerate(corner):
        rows = upper + np.arange(down, dtype=np.float32) * (max(lower - upper, np.float32(0)) / np.float32(down))
        columns = left + np.arange(across, dtype=np.float32) * (max(right - left, np.float32(0)) / np.float32(across))
        for i, j in np.ndindex(down, across):
            top[n, :, i, j] = _bilinear(x[image[n]], rows[i], columns[j])
    return [top]


def _bilinear(maps: Array, y: np.float32, x: np.float32) -> Array:
    """``bilinear_interpolate`` of MNC: (C,)."""
    _, height, width = maps.shape
    if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
        return np.zeros(len(maps), maps.dtype)
    y, x = max(y, np.float32(0)), max(x, np.float32(0))
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy = np.float32(0) if bottom == top else y - np.float32(top)
    dx = np.float32(0) if right == left else x - np.float32(left)
    upper = (1 - dx) * maps[:, top, left] + dx * maps[:, top, right]
    lower = (1 - dx) * maps[:, bottom, left] + dx * maps[:, bottom, right]
    return np.asarray((1 - dy) * upper + dy * lower)


@dataclass(frozen=True, slots=True)
class _Bin:
    """One bin along one axis: its cells, where these stand from -1 to 1 in the region, and whether it has no length."""

    cells: Array
    place: Array
    empty: bool


def _bin(start: np.float32, end: np.float32, index: int, bins: int, limit: int) -> _Bin:
    one, top = np.float32(1), np.float32(limit)
    step = max(end - start + one, one) / np.float32(bins)
    low = min(max(np.float32(index) * step + start, np.float32(0)), top)
    high = min(max(np.float32(index + 1) * step + start, np.float32(0)), top)
    cells = np.arange(int(np.ceil(low)), int(np.floor(high)) + 1)
    if end == start:
        place = np.zeros(len(cells), np.float32)
    else:
        place = (np.float32(2) * (cells.astype(np.float32) - start) / (end - start) - one).clip(-1, 1)
    return _Bin(cells, place, bool(high <= low))


def _largest(memory: Array, shape: tuple[int, ...], image: int, rows: _Bin, columns: _Bin) -> Array:
    """One bin for all channels; ``shape`` is that of the maps in ``memory``."""
    pairs = [(i, j) for i in range(len(rows.cells)) for j in range(len(columns.cells))][:4]
    first = (image * shape[1] + np.arange(shape[1])) * shape[2] * shape[3]
    best = np.full(shape[1], 0 if rows.empty or columns.empty else -np.inf, memory.dtype)
    for sx, sy in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
        total = np.zeros(shape[1], memory.dtype)
        for i, j in pairs:
            share = max(0.0, 1 - abs(sx - columns.place[j])) * max(0.0, 1 - abs(sy - rows.place[i]))
            total += memory[first + rows.cells[i] * shape[3] + columns.cells[j]] * memory.dtype.type(share)
        best = np.maximum(best, total)
    return best


LAYERS: dict[str, Rule] = {
    "PSROIPooling": psroi_pooling,
    "ROIAlign": roi_align,
    "ROIPooling": roi_pooling,
    "ROIWarping": roi_warping,
}
DISCONTINUOUS: frozenset[str] = frozenset(LAYERS)
