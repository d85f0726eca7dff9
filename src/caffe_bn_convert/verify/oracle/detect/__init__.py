"""Detection heads: prior boxes and proposals, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cascade import box_group_output, box_output, decode_bbox, frcnn_output, scale_route
from .openpose import im_resize, nms, switch
from .output import detection_output, detection_output_extended
from .prior_box import prior_box, prior_box_clustered
from .proposal import proposal
from .proposers import python
from .yolo import region_yolo, yolo_detection_output, yolov3_detection_output

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Rule

__all__ = ["CONTINUOUS", "DISCONTINUOUS", "LAYERS"]

LAYERS: dict[str, Rule] = {
    "BoxGroupOutput": box_group_output,
    "BoxOutput": box_output,
    "DecodeBBox": decode_bbox,
    "DetectionOutput": detection_output,
    "DetectionOutputExtended": detection_output_extended,
    "FrcnnOutput": frcnn_output,
    "ImResize": im_resize,
    "Nms": nms,
    "PriorBox": prior_box,
    "PriorBoxClustered": prior_box_clustered,
    "Proposal": proposal,
    "Python": python,
    "RegionYolo": region_yolo,
    "ScaleRoute": scale_route,
    "Switch": switch,
    "YoloDetectionOutput": yolo_detection_output,
    "Yolov3DetectionOutput": yolov3_detection_output,
}
DISCONTINUOUS: frozenset[str] = frozenset(LAYERS) - {
    "DecodeBBox",
    "ImResize",
    "PriorBox",
    "PriorBoxClustered",
    "RegionYolo",
    "Switch",
}
CONTINUOUS = frozenset({"layers.text_proposal_layer", "pylayer.mask_layer"})
"""Modules whose Python layer chooses nothing: all that comes in goes out, in its place."""
