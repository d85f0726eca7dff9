"""Bilinear samples of a map on a grid for each region: places along rows and columns, and the four cells around each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Samples:
    """Along one axis, with an axis of 1 for the other: cells (int64) and their shares, and whether the map is hit."""

    low: str
    high: str
    near: str
    far: str
    inside: str


def along(e: Emitter, start: str, end: str, bins: int, count: int, size: int, axis: int) -> Samples:
    """``count`` samples at the near corners of ``bins`` bins from ``start`` to ``end``, on a map of ``size`` cells.

    A sample more than half a cell outside the map does not hit it.

    Args:
        e: where the nodes go.
        start, end: (regions, 1) each.
        bins: how many there are between them.
        count: how many samples; one more than bins for the far corner of the last one, too.
        size: of the map along this axis.
        axis: where the axis of 1 goes.
    """
    zero = e.constant(0.0, "zero")
    step = e.op("Div", e.op("Max", e.op("Sub", end, start), zero), e.constant(float(bins), "bins"))
    numbers = e.constant(np.arange(count)[None], "numbers")
    place = e.op("Unsqueeze", e.op("Add", start, e.op("Mul", numbers, step)), e.ints([axis], "axes"))
    below = e.op("Less", place, e.constant(-0.5, "near_edge"))
    beyond = e.op("Greater", place, e.constant(size - 0.5, "far_edge"))
    inside = e.op("Not", e.op("Or", below, beyond))
    last = e.constant(float(size - 1), "last")
    place = e.op("Min", e.op("Max", place, zero), last)
    low = e.op("Floor", place)
    far = e.op("Sub", place, low)
    high = e.op("Min", e.op("Add", low, e.constant(1.0, "one")), last)
    first, second = (e.op("Cast", cell, to=INT64) for cell in (low, high))
    return Samples(first, second, e.op("Sub", e.constant(1.0, "one"), far), far, inside)


def bilinear(e: Emitter, x: Tensor, image: str, rows: Samples, columns: Samples, inside: str) -> str:
    """(regions, channels, rows, columns): what the map has at the samples; 0 where not ``inside``.

    Args:
        e: where the nodes go.
        x: the map.
        image: (regions, 1), the number of the image.
        rows, columns: the samples.
        inside: (regions, rows, columns) or what broadcasts to it.
    """
    channels, height, width = fixed(x.shape[1:])
    # Cells as rows of all channels, the images one behind the other.
    cells = e.op("Reshape", e.op("Transpose", x.name, perm=[0, 2, 3, 1]), e.ints([-1, channels], "shape"))
    first = e.op("Mul", image, e.constant(height * width, "plane", np.int64))
    first = e.op("Unsqueeze", first, e.ints([2], "axes"))
    total = ""
    for row, down in ((rows.low, rows.near), (rows.high, rows.far)):
        start = e.op("Add", first, e.op("Mul", row, e.constant(width, "width", np.int64)))
        for column, across in ((columns.low, columns.near), (columns.high, columns.far)):
            share = e.op("Unsqueeze", e.op("Mul", down, across), e.ints([3], "axes"))
            part = e.op("Mul", share, e.op("Gather", cells, e.op("Add", start, column), axis=0))
            total = e.op("Add", total, part) if total else part
    total = e.op("Where", e.op("Unsqueeze", inside, e.ints([3], "axes")), total, e.constant(0.0, "outside"))
    return str(e.op("Transpose", total, perm=[0, 3, 1, 2]))
