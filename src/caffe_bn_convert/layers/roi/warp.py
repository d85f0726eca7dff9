"""ROIWarping of MNC (roi_warping_layer.cu of its Caffe, and of caffe_latte)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Layer, Shapes, Source
from caffe_bn_convert.layers.roi.regions import bins_and_scale, check_regions, columns_of, rounded
from caffe_bn_convert.layers.roi.samples import along, bilinear
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
        return cls(*bins_and_scale(source.roi_warping_param))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, channels, pooled_h, pooled_w)."""
        check_regions(bottoms)
        return ((bottoms[1][0], bottoms[0][1], *self.pooled),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather of the four cells around each sample."""
        height, width = fixed(x[0].shape[2:])
        regions, scale = columns_of(e, x[1]), e.constant(self.scale, "spatial_scale")
        near, far = (
            [rounded(e, e.op("Mul", corner, scale)) for corner in corners] for corners in (regions.near, regions.far)
        )
        rows = along(e, near[1], far[1], self.pooled[0], self.pooled[0], height, axis=2)
        columns = along(e, near[0], far[0], self.pooled[1], self.pooled[1], width, axis=1)
        inside = e.op("And", rows.inside, columns.inside)
        return [bilinear(e, x[0], regions.image, rows, columns, inside)]
