"""Pooling over regions of interest: ROIPooling of Fast R-CNN, PSROIPooling of R-FCN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.roi.average import PSROIPooling
from caffe_bn_convert.layers.roi.maximum import ROIPooling

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {"ROIPooling": ROIPooling, "PSROIPooling": PSROIPooling}
