"""ROIAlign of MS-CNN and Cascade R-CNN (roi_align_layer.cpp): samples at the corners of the bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from caffe_bn_convert.layers.base import Layer, Shapes, Source
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.layers.roi.regions import bins_and_scale, check_regions, columns_of, padded
from caffe_bn_convert.layers.roi.samples import along, bilinear
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class ROIGrid(Layer):
    """One bilinear sample of the map for each corner of the bins; the Pooling behind it makes bins of them.

    Nothing is rounded, and a cell's place is its middle. A sample outside the map is 0, as are all samples of a region
    without area.

    Attributes:
        pooled: bins down and across.
        scale: what the regions' coordinates are multiplied by.
        padding: what is added on each side of a region, as a share of its side.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (2, 2)

    pooled: tuple[int, int]
    scale: float
    padding: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``roi_pooling_param``."""
        p = source.roi_pooling_param
        return cls(*bins_and_scale(p, "pad_ratio"), p.pad_ratio)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(
            "MS-CNN's and Cascade R-CNN's ROIAlign, which samples the bins' corners", "by roi_pooling_param"
        )

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, channels, pooled_h + 1, pooled_w + 1)."""
        check_regions(bottoms)
        return ((bottoms[1][0], bottoms[0][1], self.pooled[0] + 1, self.pooled[1] + 1),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather of the four cells around each sample."""
        height, width = fixed(x[0].shape[2:])
        regions, scale = columns_of(e, padded(e, x[1], self.padding)), e.constant(self.scale, "spatial_scale")
        half, zero = e.constant(0.5, "half"), e.constant(0.0, "zero")
        near, far = (
            [e.op("Sub", e.op("Mul", corner, scale), half) for corner in corners]
            for corners in (regions.near, regions.far)
        )
        down, across = self.pooled
        rows = along(e, near[1], far[1], down, down + 1, height, axis=2)
        columns = along(e, near[0], far[0], across, across + 1, width, axis=1)
        high, wide = (
            e.op("Unsqueeze", e.op("Greater", e.op("Sub", end, start), zero), e.ints([2], "axes"))
            for start, end in ((near[1], far[1]), (near[0], far[0]))
        )
        inside = e.op("And", e.op("And", rows.inside, columns.inside), e.op("And", high, wide))
        return [bilinear(e, x[0], regions.image, rows, columns, inside)]
