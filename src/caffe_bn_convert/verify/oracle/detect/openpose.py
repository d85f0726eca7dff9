"""OpenPose's layers in caffe_rtpose (imresize_layer.cu, nms_layer.cu): what its CUDA kernels compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def _neighbours(size: int, old: int, pad: int) -> tuple[Array, Array]:
    """Indices (4, size) of the cells that a sample is made of, and how far it stands behind the second."""
    ratio = np.float32(old) / np.float32(size)
    offset = np.float32(np.float32(size) / np.float32(old) / 2 - 0.5)
    place = (np.arange(size, dtype=np.float32) - offset) * ratio
    second = np.maximum((place + 1e-5).astype(np.int64), 0)
    first, third = np.maximum(second - 1, 0), np.minimum(second + 1, old - 1)
    index = np.stack([first, second, third, np.minimum(third + 1, old - 1)])
    return index + pad, place - second


def _cubic(v: list[Array], d: Array) -> Array:
    half = np.float32(0.5)
    a = -half * v[0] + 3 * half * v[1] - 3 * half * v[2] + half * v[3]
    b = v[0] - 5 * half * v[1] + 2 * v[2] - half * v[3]
    value: Array = a * d * d * d + b * d * d + (-half * v[0] + half * v[2]) * d + v[1]
    return value


def im_resize(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ImResize``: cubic, by ``factor`` or to a target; the images of the batch are one scene at several scales.

    Image n is cut by ``start_scale`` and ``scale_gap`` on all sides, and the mean of all is the single image of the top.
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "imresize_param"), bottoms[0]
    height, width, factor = x.shape[2], x.shape[3], given.number("factor", 0)
    size = int(height * factor), int(width * factor)
    if not factor:
        size = given.integer("target_spatial_height", 368), given.integer("target_spatial_width", 368)
    total = np.zeros((x.shape[1], *size), layer.dtype)
    for number, image in enumerate(x):
        cut = np.float32(
            1 - np.float32(given.number("start_scale", 1)) + number * np.float32(given.number("scale_gap", 0.1))
        )
        pads = [int(np.floor(np.float32(old // 2) * cut)) for old in (height, width)]
        if min(pads) < 0 or 2 * pads[0] >= height or 2 * pads[1] >= width:
            raise InvalidNetError("ImResize's scales leave nothing of the image, or reach beyond it")
        rows, dy = _neighbours(size[0], height - 2 * pads[0], pads[0])
        columns, dx = _neighbours(size[1], width - 2 * pads[1], pads[1])
        across = _cubic([image[:, :, index] for index in columns], dx.astype(layer.dtype))
        total += _cubic([across[:, index] for index in rows], dy.astype(layer.dtype)[:, None])
    return [total[None] / layer.dtype.type(len(x))]


def _peaks(plane: Array, threshold: float) -> Array:
    """(y, x) of the inner cells that are above the threshold and above all eight neighbours, row by row."""
    inner = plane[1:-1, 1:-1]
    highest = inner > threshold
    for dy, dx in np.ndindex(3, 3):
        if (dy, dx) != (1, 1):
            highest &= inner > plane[dy : dy + inner.shape[0], dx : dx + inner.shape[1]]
    return np.argwhere(highest) + 1


def _refined(memory: Array, start: int, width: int, y: int, x: int) -> tuple[float, float]:
    """The centre of mass of the positive values within 3 cells; the kernel bounds rows by the *width* as well."""
    dy, dx = np.mgrid[-3:4, -3:4]
    rows, columns = y + dy, x + dx
    place = start + rows * width + columns
    valid = (rows > 0) & (rows < width) & (columns > 0) & (columns < width) & (place < memory.size)
    score = np.where(valid, memory[np.where(valid, place, 0)], 0)
    score = np.maximum(score, 0)
    total = score.sum()
    return float((columns * score).sum() / total), float((rows * score).sum() / total)


def _of_one_map(x: Array, threshold: float, most: int) -> Array:
    """nms_layer.cu as it was in August 2016: four neighbours, 0 outside, places as they are; (N, 1, num_peak + 1, 3)."""
    if x.shape[1] != 1:
        raise InvalidNetError(f"Nms with num_peak takes one map, not {x.shape}")
    top = np.zeros((len(x), 1, most + 1, 3), x.dtype)
    for image, plane in zip(top[:, 0], x[:, 0], strict=True):
        outside = np.pad(plane, 1)
        beside = [outside[:-2, 1:-1], outside[2:, 1:-1], outside[1:-1, :-2], outside[1:-1, 2:]]
        highest = (plane > np.float32(threshold)) & np.all([plane > other for other in beside], axis=0)
        highest[-1, -1] = False  # the counting of the peaks never gets to the last cell
        found = np.argwhere(highest)
        image[0, 0] = len(found)
        for row, (y, z) in zip(image[1:], found, strict=False):
            row[:] = z, y, plane[y, z]
    return top


def highest(x: Array) -> Array:
    """Maximum of one bottom (maximum_layer.cpp): x, y and value of the first highest place of each map: (N, C, 1, 3).

    The search starts from FLT_MIN, the least number above 0, at the first place.
    """
    n, c, h, w = legacy_shape(x)
    flat = x.reshape(n, c, h * w)
    place = flat.argmax(axis=2)
    value = flat.max(axis=2)
    least = np.finfo(np.float32).tiny
    place = np.where(value > least, place, 0)
    return np.stack([place % w, place // w, np.maximum(value, least)], axis=2)[:, :, None].astype(x.dtype)


def switch(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Switch`` (switch_layer.cpp, September 2016): the last bottom, as it is until a program calls for another."""
    if any(x.shape != bottoms[0].shape for x in bottoms):
        raise InvalidNetError(f"{layer.parameter.type} takes bottoms of one shape")
    return [bottoms[-1]]


def nms(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Nms``: for each of ``num_parts`` maps the number of peaks, then (x, y, score) of at most ``max_peaks``.

    The top is (N, num_parts, max_peaks + 1, 3); what is not written stays 0 here (in Caffe what was there before). Of a
    single map it is the fork's older layer, if the fields do not say otherwise.
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "nms_param"), bottoms[0]
    if given.has("num_peak") or (x.shape[1] == 1 and not given.has("num_parts") and not given.has("max_peaks")):
        return [_of_one_map(x, given.number("threshold", 0.5), given.integer("num_peak", 100))]
    parts, most = given.integer("num_parts", 15), given.integer("max_peaks", 20)
    n, c, h, w = x.shape
    if c < parts or n != 1:
        raise InvalidNetError(f"Nms needs one image with at least {parts} maps, not {x.shape}")
    top = np.zeros((n, parts, most + 1, 3), layer.dtype)
    memory = x.reshape(-1)
    for part in range(parts):
        found = _peaks(x[0, part], given.number("threshold", 0.5))
        top[0, part, 0, 0] = len(found)
        for number, (row, column) in enumerate(found[:most]):
            place = _refined(memory, part * h * w, w, int(row), int(column))
            top[0, part, number + 1] = (*place, x[0, part, row, column])
    return [top]
