"""ROIAlign where it is the average of Detectron (roi_align_layer.cpp of Cambricon's Caffe)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.layers.roi.grid import ROIGrid
from caffe_bn_convert.layers.roi.regions import bins_and_scale, check_regions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class ROIAlign(Layer):
    """The average of bilinear samples in each bin; nothing is rounded.

    Attributes:
        pooled: bins down and across.
        scale: what the regions' coordinates are multiplied by.
        samples: along each side of a bin; 0 for as many as the bin has cells, rounded up.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = (
        "Cambricon's, the average, by sampling_ratio or --dialect ROIAlign=detectron; one image; up to opset 21, as "
        "onnxruntime has no RoiAlign of a later one. MS-CNN's and Cascade R-CNN's, by roi_pooling_param; fixed height and "
        "width of the map"
    )

    pooled: tuple[int, int]
    scale: float
    samples: int

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``roi_align_param``; with ``roi_pooling_param`` it is a :class:`ROIGrid`.

        Raises:
            UnsupportedError: it could be any of several layers.
        """
        if source.definition.parameter.HasField("roi_pooling_param"):
            return ROIGrid.read(source)
        p = source.roi_align_param
        bins, scale = bins_and_scale(p, "sampling_ratio")
        if not p.HasField("sampling_ratio"):
            raise UnsupportedError(
                "without sampling_ratio it could be the layer of Mask-RCNN's fork, of caffe_latte, or the average that "
                "others compute: they sample differently",
                hint="if it is the average, as in Detectron, give --dialect ROIAlign=detectron",
            )
        return cls(bins, scale, p.sampling_ratio)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("Cambricon's ROIAlign, which averages as Detectron's does", "by sampling_ratio")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, channels, pooled_h, pooled_w)."""
        x, rois = bottoms
        if len(rois) == 4 and rois[0] == 1:  # also as 1 x regions x 1 x 5
            rois = rois[1:]
        check_regions((x, rois))
        require(x[0] == 1, "it takes one image; with more Caffe reads beyond the regions")
        return ((rois[0], x[1], *self.pooled),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """RoiAlign in its first form, whose samples are shifted by nothing."""
        if e.opset >= 22:
            raise UnsupportedError("onnxruntime has no RoiAlign of opset 22", hint="add --opset 21")
        regions = self.shapes(tuple(t.shape for t in x))[0][0]
        rows = e.reshape(x[1].name, x[1].shape, (regions, 5))
        image, corners = e.split(rows, [1, 4], 1)
        image = e.op("Cast", e.op("Squeeze", image, e.ints([1], "axes")), to=INT64)
        mode = "output_half_pixel" if e.opset >= 16 else None
        return [
            e.op(
                "RoiAlign", x[0].name, corners, image, mode="avg", output_height=self.pooled[0],
                output_width=self.pooled[1], sampling_ratio=self.samples, spatial_scale=self.scale,
                coordinate_transformation_mode=mode,
            )
        ]  # fmt: skip
