"""DetectionOutput: five forks' layers of one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.layers.base import Layer, Source, require
from caffe_bn_convert.layers.detect.output import DetectionOutput
from caffe_bn_convert.layers.detect.parted import PartedOutput, is_parted
from caffe_bn_convert.layers.detect.region import RegionOutput
from caffe_bn_convert.layers.detect.text import PolygonOutput, SlantedOutput
from caffe_bn_convert.layers.detect.tflite import TfliteOutput

if TYPE_CHECKING:
    from caffe_bn_convert.layers.detect.output import DetectionOutput as Head


@dataclass(frozen=True, slots=True)
class AnyDetectionOutput(Layer):
    """What the bottoms and the fields say it is."""

    BOTTOMS = (1, None)
    RESTRICTIONS = (
        "SSD's; RefineDet's with 4 or 5 bottoms; TextBoxes++'s with use_polygon; caffe-yolov2's with one bottom, of a fixed "
        "size; synopsys-caffe's with nbottom of each or tflite_detection, of one image; "
        "which of equal scores keep_top_k cuts off is undefined in Caffe, here it is the last"
    )

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``detection_output_param``: a layer of one of the forks."""
        require(source.bottoms != 2, "it takes one bottom or three to five, not 2")
        if source.bottoms == 1:
            return RegionOutput.read(source)
        p = source.detection_output_param
        if is_parted(p, source.bottoms):
            return PartedOutput.read(source)
        require(source.bottoms <= 5, f"it takes one bottom, three to five, or nbottom of each, not {source.bottoms}")
        kind: type[Head] = TfliteOutput if p.tflite_detection else DetectionOutput
        if p.HasField("use_polygon") and not p.tflite_detection:
            kind = PolygonOutput if p.use_polygon else SlantedOutput
        return kind.read(source)
