"""The heads of SSD: PriorBox, and DetectionOutput in standard operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.detect.output import DetectionOutput
from caffe_bn_convert.layers.detect.prior_box import PriorBox

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {"PriorBox": PriorBox, "DetectionOutput": DetectionOutput}
