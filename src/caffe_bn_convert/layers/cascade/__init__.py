"""What MS-CNN and Cascade R-CNN make boxes with: proposals of many maps, stage after stage, and their detections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.cascade.detections import FrcnnOutput
from caffe_bn_convert.layers.cascade.fields import BoxOutput
from caffe_bn_convert.layers.cascade.groups import BoxGroupOutput
from caffe_bn_convert.layers.cascade.regression import DecodeBBox
from caffe_bn_convert.layers.cascade.route import ScaleRoute

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {
    "BoxOutput": BoxOutput,
    "BoxGroupOutput": BoxGroupOutput,
    "DecodeBBox": DecodeBBox,
    "FrcnnOutput": FrcnnOutput,
    "ScaleRoute": ScaleRoute,
}
