"""Pooling over regions of interest: ROIPooling of Fast R-CNN, PSROIPooling of R-FCN, ROIAlign, ROIWarping of MNC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.roi.align import ROIAlign
from caffe_bn_convert.layers.roi.average import PSROIPooling
from caffe_bn_convert.layers.roi.maximum import ROIPooling
from caffe_bn_convert.layers.roi.warp import ROIWarping

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {
    "ROIPooling": ROIPooling,
    "PSROIPooling": PSROIPooling,
    "ROIAlign": ROIAlign,
    "ROIWarping": ROIWarping,
}
