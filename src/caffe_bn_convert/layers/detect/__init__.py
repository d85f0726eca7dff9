"""The heads of detectors in standard operators: SSD's and RefineDet's, YOLO's, Faster R-CNN's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.detect.clustered import PriorBoxClustered
from caffe_bn_convert.layers.detect.dialects import AnyDetectionOutput
from caffe_bn_convert.layers.detect.extended import DetectionOutputExtended
from caffe_bn_convert.layers.detect.prior_box import PriorBox
from caffe_bn_convert.layers.detect.proposal import Proposal
from caffe_bn_convert.layers.detect.python import Python
from caffe_bn_convert.layers.detect.region import RegionYolo
from caffe_bn_convert.layers.detect.yolo import YoloDetectionOutput, Yolov3DetectionOutput

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {
    "PriorBox": PriorBox,
    "PriorBoxClustered": PriorBoxClustered,
    "DetectionOutput": AnyDetectionOutput,
    "DetectionOutputExtended": DetectionOutputExtended,
    "YoloDetectionOutput": YoloDetectionOutput,
    "Yolov3DetectionOutput": Yolov3DetectionOutput,
    "RegionYolo": RegionYolo,
    "Proposal": Proposal,
    "Python": Python,
}
