"""Non-maximum suppression of one list of boxes, in the manner that YOLO and Faster R-CNN share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter

F32 = np.float32


def just_below(value: float) -> float:
    """The float32 in front of ``value``: ``x > just_below(v)`` says ``x >= v``."""
    return float(np.nextafter(F32(value), F32(-np.inf)))


def suppressed(e: Emitter, boxes: str, scores: str, threshold: float, least: float | None, most: int) -> str:
    """The places of the boxes that are kept, (kept,) of int64, best first, equal scores in their order.

    Args:
        e: where the nodes go.
        boxes: (1, n, 4), corners.
        scores: (1, 1, n).
        threshold: a box that overlaps a kept one by more is dropped.
        least: scores must be above it; None for all.
        most: at most so many are kept.
    """
    inputs = [boxes, scores, e.ints([most], "most"), e.constant([min(threshold, 1.0)], "nms_threshold")]
    if least is not None:
        inputs.append(e.constant([least], "least_score"))
    found = e.op("NonMaxSuppression", *inputs)
    return str(e.op("Squeeze", e.slice(found, [2], [3], [1]), e.ints([1], "axes")))
