"""ROIWarping of MNC (roi_warping_layer.cu of its Caffe, and of caffe_latte)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.roi.regions import check_regions, columns_of, rounded
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ROIWarping(Layer):
    """One bilinear sample of the map for each bin, at the bin's near corner; the region's corners are rounded.

    A sample more than half a cell outside the map is 0.

    Attributes:
        pooled: bins down and across.
        scale: what the regions' coordinates are multiplied by.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = "MNC's; height and width of the map must be fixed"

    pooled: tuple[int, int]
    scale: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``roi_warping_param``."""
        p = source.roi_warping_param
        only(p, ("pooled_h", "pooled_w", "spatial_scale"))
        require(p.pooled_h > 0 and p.pooled_w > 0, "roi_warping_param needs pooled_h and pooled_w")
        return cls((p.pooled_h, p.pooled_w), p.spatial_scale)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, channels, pooled_h, pooled_w)."""
        check_regions(bottoms)
        return ((bottoms[1][0], bottoms[0][1], *self.pooled),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather of the four cells around each sample."""
        channels, height, width = fixed(x[0].shape[1:])
        regions, scale = columns_of(e, x[1]), e.constant(self.scale, "spatial_scale")
        near, far = (
            [rounded(e, e.op("Mul", corner, scale)) for corner in corners] for corners in (regions.near, regions.far)
        )
        rows = _along(e, near[1], far[1], self.pooled[0], height, axis=2)
        columns = _along(e, near[0], far[0], self.pooled[1], width, axis=1)
        # Cells as rows of all channels, the images one behind the other.
        cells = e.op("Reshape", e.op("Transpose", x[0].name, perm=[0, 2, 3, 1]), e.ints([-1, channels], "shape"))
        first = e.op("Mul", regions.image, e.constant(height * width, "plane", np.int64))
        first = e.op("Unsqueeze", first, e.ints([2], "axes"))
        total = ""
        for row, down in ((rows.low, rows.near), (rows.high, rows.far)):
            start = e.op("Add", first, e.op("Mul", row, e.constant(width, "width", np.int64)))
            for column, across in ((columns.low, columns.near), (columns.high, columns.far)):
                share = e.op("Unsqueeze", e.op("Mul", down, across), e.ints([3], "axes"))
                part = e.op("Mul", share, e.op("Gather", cells, e.op("Add", start, column), axis=0))
                total = e.op("Add", total, part) if total else part
        inside = e.op("Unsqueeze", e.op("And", rows.inside, columns.inside), e.ints([3], "axes"))
        total = e.op("Where", inside, total, e.constant(0.0, "outside"))
        return [e.op("Transpose", total, perm=[0, 3, 1, 2])]


@dataclass(frozen=True, slots=True)
class _Samples:
    """Along one axis, with an axis of 1 for the other: cells (int64) and their shares, and whether the map is hit."""

    low: str
    high: str
    near: str
    far: str
    inside: str


def _along(e: Emitter, start: str, end: str, bins: int, size: int, axis: int) -> _Samples:
    """The samples of ``bins`` bins from ``start`` to ``end``, (regions, 1) each, on a map of ``size`` cells."""
    zero = e.constant(0.0, "zero")
    step = e.op("Div", e.op("Max", e.op("Sub", end, start), zero), e.constant(float(bins), "bins"))
    numbers = e.constant(np.arange(bins)[None], "numbers")
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
    return _Samples(first, second, e.op("Sub", e.constant(1.0, "one"), far), far, inside)
