"""OpenPose's layers in caffe_rtpose (imresize_layer.cu, nms_layer.cu): what its CUDA kernels compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

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


def nms(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Nms``: for each of ``num_parts`` maps the number of peaks, then (x, y, score) of at most ``max_peaks``.

    The top is (N, num_parts, max_peaks + 1, 3); what is not written stays 0 here (in Caffe what was there before).
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "nms_param"), bottoms[0]
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
