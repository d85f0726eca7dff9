"""PSROIPooling: position sensitive averages (psroi_pooling_layer.cu of R-FCN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.roi.regions import Bins, bins_of, check_regions, columns_of, rounded
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class PSROIPooling(Layer):
    """The average of each bin of each region, from channels of the bin's own: bin (i, j) of output d from (d·g + i)·g + j.

    Attributes:
        scale: what the regions' coordinates are multiplied by, after rounding.
        outputs: how many channels the top has.
        group: g, the number of bins along either axis.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = "batch, height and width of the map must be fixed"

    scale: float
    outputs: int
    group: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``psroi_pooling_param``."""
        p = source.psroi_pooling_param
        only(p, ("spatial_scale", "output_dim", "group_size"))
        require(p.output_dim > 0 and p.group_size > 0 and p.spatial_scale > 0, "its three parameters must be above 0")
        return cls(p.spatial_scale, p.output_dim, p.group_size)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, output_dim, group_size, group_size)."""
        check_regions(bottoms)
        channels = self.outputs * self.group**2
        require(bottoms[0][1] == channels, f"its bottom must have output_dim × group_size² = {channels} channels")
        return ((bottoms[1][0], self.outputs, self.group, self.group),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """One MatMul of masks with the map; the images lie side by side in the axis that is summed over."""
        n, _, height, width = fixed(x[0].shape)
        g = self.group
        image, rows, columns = self._bins(e, x[1], (height, width))
        inside = e.op("Mul", _mask(e, rows, height, (1, 3)), _mask(e, columns, width, (2, 4)))
        if n > 1:
            numbers = e.constant(np.arange(n)[None], "images", np.int64)
            own = e.op("Cast", e.op("Equal", image, numbers), to=FLOAT)
            own = e.op("Unsqueeze", own, e.ints([1, 2, 4, 5], "axes"))
            inside = e.op("Mul", e.op("Unsqueeze", inside, e.ints([3], "axes")), own)
        cells = n * height * width
        masks = e.op("Transpose", e.op("Reshape", inside, e.ints([-1, g * g, cells], "shape")), perm=[1, 0, 2])
        maps = e.reshape(x[0].name, x[0].shape, (n, self.outputs, g * g, height * width))
        maps = e.op(
            "Reshape", e.op("Transpose", maps, perm=[2, 0, 3, 1]), e.ints([g * g, cells, self.outputs], "shape")
        )
        sums = e.op("Transpose", e.op("MatMul", masks, maps), perm=[1, 2, 0])
        sums = e.op("Reshape", sums, e.ints([-1, self.outputs, g, g], "shape"))
        return [e.op("Div", sums, _area(e, rows, columns))]

    def _bins(self, e: Emitter, rois: Tensor, plane: tuple[int, int]) -> tuple[str, Bins, Bins]:
        """The regions' images, and the bins down and across."""
        regions, scale = columns_of(e, rois), e.constant(self.scale, "spatial_scale")
        bins = []
        for axis, size in ((1, plane[0]), (0, plane[1])):
            start = e.op("Mul", rounded(e, regions.near[axis]), scale)
            beyond = e.op("Add", rounded(e, regions.far[axis]), e.constant(1.0, "one"))
            extent = e.op("Sub", e.op("Mul", beyond, scale), start)
            extent = e.op("Max", extent, e.constant(0.1, "least"))
            bins.append(bins_of(e, start, extent, self.group, size, moved=False))
        return regions.image, bins[0], bins[1]


def _mask(e: Emitter, bins: Bins, size: int, axes: tuple[int, int]) -> str:
    """1 where a cell is in a bin: regions, bins and cells at axes 0, ``axes``; the other two of five axes are 1."""
    low, high = (e.op("Unsqueeze", edge, e.ints([2], "axes")) for edge in (bins.low, bins.high))
    cells = e.constant(np.arange(size)[None, None], "cells")
    inside = e.op("And", e.op("GreaterOrEqual", cells, low), e.op("Less", cells, high))
    others = sorted({1, 2, 3, 4} - set(axes))
    return str(e.op("Unsqueeze", e.op("Cast", inside, to=FLOAT), e.ints(others, "axes")))


def _area(e: Emitter, rows: Bins, columns: Bins) -> str:
    """Cells of each bin, (regions, 1, bins, bins); 1 for empty ones, whose sum is 0."""
    down, across = e.op("Sub", rows.high, rows.low), e.op("Sub", columns.high, columns.low)
    down, across = e.op("Unsqueeze", down, e.ints([1, 3], "axes")), e.op("Unsqueeze", across, e.ints([1, 2], "axes"))
    return str(e.op("Max", e.op("Mul", down, across), e.constant(1.0, "one")))
