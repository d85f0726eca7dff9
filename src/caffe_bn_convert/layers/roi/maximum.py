"""ROIPooling: maxima of bins (roi_pooling_layer.cpp of Fast R-CNN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source
from caffe_bn_convert.layers.roi.regions import (
    Bins,
    bins_and_scale,
    bins_of,
    check_regions,
    columns_of,
    padded,
    rounded,
    rows_of,
)
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ROIPooling(Layer):
    """The maximum of each bin of each region, 0 for empty bins. The corners are rounded, and the last cell belongs.

    Attributes:
        pooled: how many bins down and across.
        scale: what the regions' coordinates are multiplied by.
        padding: what is added on each side of a region, as a share of its side (MS-CNN, Cascade R-CNN).
    """

    BOTTOMS = (2, 2)

    pooled: tuple[int, int]
    scale: float
    padding: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``roi_pooling_param``."""
        p = source.roi_pooling_param
        return cls(*bins_and_scale(p, "pad_ratio"), p.pad_ratio)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, channels, pooled_h, pooled_w)."""
        check_regions(bottoms)
        return ((bottoms[1][0], bottoms[0][1], *self.pooled),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """MaxRoiPool, or look-ups of precomputed maxima where runtimes have no MaxRoiPool."""
        rois = padded(e, x[1], self.padding)
        if not e.max_roi_pool_runs:
            return [self._by_table(e, (x[0], rois))]
        rows = rows_of(e, rois)
        return [e.op("MaxRoiPool", x[0].name, rows, pooled_shape=self.pooled, spatial_scale=self.scale)]

    def _by_table(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """A bin is covered by four windows whose sides are powers of two, and the maxima of those are in a table."""
        _, channels, height, width = x[0].shape
        height, width = fixed((height, width))
        regions, scale = columns_of(e, x[1]), e.constant(self.scale, "spatial_scale")
        near, far = ([rounded(e, e.op("Mul", value, scale)) for value in side] for side in (regions.near, regions.far))
        one = e.constant(1.0, "one")
        extent = [e.op("Max", e.op("Add", e.op("Sub", far[i], near[i]), one), one) for i in (0, 1)]
        rows = bins_of(e, near[1], extent[1], self.pooled[0], height, moved=True)
        columns = bins_of(e, near[0], extent[0], self.pooled[1], width, moved=True)
        table = _table(e, x[0].name, (height, width), fixed((channels,))[0])
        down, across = (_cover(e, rows, height, 2), _cover(e, columns, width, 1))
        base = e.op("Unsqueeze", regions.image, e.ints([2], "axes"))
        # The table's axes are: power down, power across, image, row, column.
        base = e.op("Add", e.op("Mul", _power(e, down, across, width), e.size(x[0], 0)), base)
        found = [
            e.op("Gather", table, _index(e, _index(e, base, row, height), column, width), axis=0)
            for row in down[1:]
            for column in across[1:]
        ]
        filled = e.op(
            "And", *(e.op("Greater", _span(e, b, a), e.constant(0.0, "zero")) for b, a in ((rows, 2), (columns, 1)))
        )
        value = e.op(
            "Where", e.op("Unsqueeze", filled, e.ints([3], "axes")), e.op("Max", *found), e.constant(0.0, "zero")
        )
        return str(e.op("Transpose", value, perm=[0, 3, 1, 2]))


def _powers(size: int) -> int:
    """How many powers of two are at most ``size``."""
    return size.bit_length()


def _table(e: Emitter, x: str, plane: tuple[int, int], channels: int) -> str:
    """(powers down × powers across × images × height × width, channels): maxima of windows from every cell on."""
    pixels = e.op("Transpose", x, perm=[0, 2, 3, 1])
    tables = []
    for i in range(_powers(plane[0])):
        pixels = _doubled(e, pixels, 1, 2 ** (i - 1)) if i else pixels
        row = pixels
        for j in range(_powers(plane[1])):
            row = _doubled(e, row, 2, 2 ** (j - 1)) if j else row
            tables.append(e.op("Reshape", row, e.ints([-1, channels], "shape")))
    return str(e.op("Concat", *tables, axis=0)) if len(tables) > 1 else tables[0]


def _doubled(e: Emitter, x: str, axis: int, by: int) -> str:
    """The greater of each value and that ``by`` further on. The last ``by`` have none, and are never looked up."""
    far = 2**31 - 1
    moved = e.op("Concat", e.slice(x, [by], [far], [axis]), e.slice(x, [-by], [far], [axis]), axis=axis)
    return str(e.op("Max", x, moved))


def _span(e: Emitter, bins: Bins, axis: int) -> str:
    return str(e.op("Unsqueeze", e.op("Sub", bins.high, bins.low), e.ints([axis], "axes")))


def _cover(e: Emitter, bins: Bins, size: int, axis: int) -> tuple[str, str, str]:
    """The power of the two windows that cover a bin along one axis, and where they begin; int64 of three axes."""
    lengths = np.arange(size + 1)
    power = [max(0, int(length).bit_length() - 1) for length in lengths]
    low, high = (e.op("Cast", edge, to=INT64) for edge in (bins.low, bins.high))
    length = e.op("Max", e.op("Sub", high, low), e.constant(0, "zero", np.int64))
    window = e.op("Gather", e.constant([2**p for p in power], "windows", np.int64), length, axis=0)
    first = e.op("Min", low, e.constant(size - 1, "last", np.int64))
    last = e.op("Max", e.op("Sub", high, window), e.constant(0, "zero", np.int64))
    values = (e.op("Gather", e.constant(power, "powers", np.int64), length, axis=0), first, last)
    a, b, c = (e.op("Unsqueeze", value, e.ints([axis], "axes")) for value in values)
    return a, b, c


def _power(e: Emitter, down: tuple[str, str, str], across: tuple[str, str, str], width: int) -> str:
    return _index(e, down[0], across[0], _powers(width))


def _index(e: Emitter, outer: str, inner: str, size: int) -> str:
    """``outer × size + inner``."""
    return str(e.op("Add", e.op("Mul", outer, e.constant(size, "size", np.int64)), inner))
