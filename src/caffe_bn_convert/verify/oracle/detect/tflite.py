"""DetectionOutput of synopsys-caffe with ``tflite_detection`` (its detection_output_layer.cpp), float32 as there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .boxes import overlaps

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array


def tflite_output(given: Fields, bottoms: list[Array]) -> Array:
    """Rows (0, class without background, score, xmin, ymin, xmax, ymax), or one of -1 behind a 0.

    Raises:
        InvalidNetError: the fork aborts, or reads and writes past the end of something.
    """
    classes, most = given.integer("num_classes", 0), given.integer("max_classes_per_detection", 1)
    keep, scale = given.integer("keep_top_k", -1), given.numbers("scale_xywh")
    shared = given.flag("share_location", default=True) and given.integer("background_label_id", 0) == 0
    if len(bottoms) != 3 or len(bottoms[0]) != 1 or not shared or len(scale) != 4 or keep < 1 or not 0 < most < classes:
        raise InvalidNetError("tflite_detection has no meaning with these bottoms and fields")
    if given.flag("tflite_use_regular_nms", default=False):
        raise InvalidNetError("tflite_use_regular_nms is not supported by the fork")
    count = bottoms[2].shape[2] // 4
    if bottoms[0].size != count * 4 or bottoms[1].size != count * classes:
        raise InvalidNetError(f"{count} priors need {count * 4} locations and {count * classes} confidences")
    boxes = _decoded(bottoms[0].astype(np.float32), bottoms[2].astype(np.float32).reshape(-1)[: count * 4], scale)
    scores = bottoms[1].astype(np.float32).reshape(count, classes)[:, 1:]
    ranks = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    best = scores.max(axis=1)
    least = np.float32(given.number("confidence_threshold", -float(np.finfo(np.float32).max)))
    nms = np.float32(given.inner("nms_param").number("nms_threshold", 0.3))
    rows = []
    for index in _kept(boxes, best, least, nms)[:keep]:
        rows += [[0, label, scores[index, label], *boxes[index]] for label in ranks[index]]
    return np.array(rows or [[0, *[-1] * 6]], np.float32)[None, None]


def _decoded(location: Array, prior: Array, scale: list[float]) -> Array:
    """``TFLiteDecodeBBox``: a prior is cy, cx, h, w; a location their changes; corners as xmin, ymin, xmax, ymax."""
    cy, cx, h, w = prior.reshape(-1, 4).T
    dy, dx, dh, dw = location.reshape(-1, 4).T
    if not (h > 0).all() or not (w > 0).all():
        raise InvalidNetError("tflite_detection needs priors of a positive height and width")
    by_x, by_y, by_w, by_h = (np.float32(number) for number in scale)
    x, y = by_x * dx * w + cx, by_y * dy * h + cy
    with np.errstate(over="ignore"):
        half_w, half_h = np.exp(by_w * dw) * w / np.float32(2), np.exp(by_h * dh) * h / np.float32(2)
    return np.stack([x - half_w, y - half_h, x + half_w, y + half_h], axis=1)


def _kept(boxes: Array, best: Array, least: np.float32, threshold: np.float32) -> list[int]:
    order = [int(i) for i in np.argsort(-best, kind="stable") if best[i] >= least]
    kept: list[int] = []
    for index in order:
        if not kept or not (overlaps(boxes[index], boxes[kept]) > threshold).any():
            kept.append(index)
    return kept
