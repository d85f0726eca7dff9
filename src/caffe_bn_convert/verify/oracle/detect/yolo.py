"""YOLO's heads: YoloDetectionOutput and Yolov3DetectionOutput of MobileNet-YOLO, RegionYolo of OpenVINO's fork."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import Fields, fields
from caffe_bn_convert.verify.oracle.layer import canonical, expect

from .boxes import overlaps

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


MOST = 1 << 32
"""More places than a map has."""


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))


def _softmax(x: Array, axis: int) -> Array:
    power = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(power / power.sum(axis=axis, keepdims=True))


def _cells(x: Array, boxes: int, values: int) -> Array:
    """(N, C, H, W) as (images, rows, columns, boxes, values); float32, as Caffe's default build has it."""
    n, c, h, w = x.shape
    if c != boxes * values:
        raise InvalidNetError(f"{boxes} boxes of {values} numbers need {boxes * values} channels, not {c}")
    return x.astype(np.float32).reshape(n, boxes, values, h, w).transpose(0, 3, 4, 1, 2)


def _located(cells: Array, anchors: Array, scale: int) -> Array:
    """Centre and size of each box relative to the image (``get_region_box``); anchors (boxes, 2) in cells / scale."""
    n, h, w, boxes, _ = cells.shape
    column, row = np.arange(w)[:, None], np.arange(h)[:, None, None]
    x = (column + _sigmoid(cells[..., 0])) / np.float32(w)
    y = (row + _sigmoid(cells[..., 1])) / np.float32(h)
    with np.errstate(over="ignore"):
        width = np.exp(cells[..., 2]) * anchors[:, 0] / np.float32(w * scale)
        height = np.exp(cells[..., 3]) * anchors[:, 1] / np.float32(h * scale)
    return np.stack([x, y, width, height], axis=-1).reshape(n * h * w * boxes, 4).astype(np.float32)


def _overlaps(box: Array, others: Array) -> Array:
    """``box_iou`` of centre-and-size boxes, row by row or one with many, float32."""
    low = np.maximum(box[..., :2] - box[..., 2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[..., :2] + box[..., 2:] / 2, others[:, :2] + others[:, 2:] / 2)
    with np.errstate(all="ignore"):
        side = high - low
        common = np.where((side < 0).any(axis=1), np.float32(0), side[:, 0] * side[:, 1])
        return np.asarray(common / (box[..., 2] * box[..., 3] + others[:, 2] * others[:, 3] - common))


Found: TypeAlias = "tuple[Array, Array, Array, Array]"
"""Boxes (centre and size), the places in the map that they are of, scores and labels, as Caffe comes by them."""


def _survivors(boxes: Array, places: Array, threshold: np.float32) -> list[int]:
    """``ApplyNms`` of boxes in falling order: the first one left drops all that it overlaps by ``threshold`` or more.

    Caffe compares each with each. Two things are known without looking: the boxes of one place are the same box, so the
    best of them drops the others if it overlaps itself; and what has no area, an endless one, or a side that is lost in
    the rounding of its corners, overlaps nothing.
    """
    best = np.zeros(len(boxes), bool)
    best[np.unique(places, return_index=True)[1]] = True
    with np.errstate(all="ignore"):
        area, half = boxes[:, 2] * boxes[:, 3], boxes[:, 2:] / 2
        thin = (boxes[:, :2] - half == boxes[:, :2] + half).any(axis=1)
    alone = (area == 0) | ~np.isfinite(area) | thin
    kept = np.flatnonzero(alone).tolist()
    left = np.flatnonzero(~alone & (best | ~(_overlaps(boxes, boxes) >= threshold)))
    rest = boxes[left]
    while len(left):
        kept.append(int(left[0]))
        stays = ~(_overlaps(rest[0], rest) >= threshold)
        stays[0] = False
        left, rest = left[stays], rest[stays]
    return sorted(kept)


def _rows(layer: Layer, found: list[Found], threshold: float, images: int) -> list[Array]:
    """The top: best first, whatever the class and the image; an overlap of ``threshold`` or more drops the lesser box.

    The image is always 0 and labels count from 1. Caffe's sort is unstable; here equal scores keep their order.
    """
    boxes, places, scores, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-scores, kind="stable")
    kept = order[_survivors(boxes[order], places[order], np.float32(threshold))]
    if not len(kept):
        rows = np.full((images, 7), -1, np.float32)
        rows[:, 0] = np.arange(images)
    else:
        with np.errstate(all="ignore"):
            box, half = boxes[kept].astype(np.float64), boxes[kept, 2:].astype(np.float64) / 2
            corners = np.concatenate([box[:, :2] - half, box[:, :2] + half], axis=1).astype(np.float32)
        rows = np.column_stack([np.zeros(len(kept)), labels[kept] + 1, scores[kept], corners])
    return [rows[None, None].astype(layer.dtype)]


def _anchors(given: Fields) -> Array:
    values = given.numbers("biases")
    if not values or len(values) % 2:
        raise InvalidNetError("biases must be pairs of a width and a height")
    return np.array(values, np.float32).reshape(-1, 2)


def yolo_detection_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``YoloDetectionOutput`` (yolo_detection_output_layer.cpp): YOLO 2, one class a box; needs square maps."""
    expect(layer, bottoms, 1, 2)
    given = fields(layer, "yolo_detection_output_param")
    classes, count = given.integer("num_classes", 20), given.integer("num_box", 5)
    anchors = _anchors(given)
    if any(x.ndim != 4 or x.shape[2] != x.shape[3] for x in bottoms) or len(anchors) < count:
        raise InvalidNetError("YoloDetectionOutput needs square maps and two biases for each box")
    found: list[Found] = []
    for number, bottom in enumerate(bottoms):
        cells = _cells(bottom, count, classes + 5)
        share = _softmax(cells[..., 5:], -1)
        label = share.argmax(axis=-1).reshape(-1)
        score = (_sigmoid(cells[..., 4]) * share.max(axis=-1)).astype(np.float32).reshape(-1)
        good = score >= np.float32(given.number("confidence_threshold", 0.01))
        places = number * MOST + np.flatnonzero(good)
        found.append((_located(cells, anchors[:count], 1)[good], places, score[good], label[good]))
    return _rows(layer, found, given.number("nms_threshold", 0.45), len(bottoms[0]))


def _cut(boxes: Array) -> Array:
    """``setNormalizedBBox`` of caffe-yolov2: corners, cut off at the picture's edge."""
    with np.errstate(over="ignore"):
        low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    return np.concatenate([np.maximum(low, 0), np.minimum(high, 1)], axis=1)


def region_output(layer: Layer, x: Array) -> list[Array]:
    """caffe-yolov2's ``DetectionOutput`` (its detection_output_layer.cpp, bbox_util.hpp): rows (0, class, score, x, y, w, h).

    Nothing is sorted: the first box drops the later ones that it overlaps by ``nms_threshold`` or more, and so on.
    """
    given = fields(layer, "detection_output_param")
    classes, count, side = given.integer("num_classes", 0), given.integer("num_box", 5), given.integer("side", 13)
    anchors = _anchors(given)
    if x.ndim != 4 or x.shape[2:] != (side, side) or len(x) != 1 or len(anchors) < count or classes < 1:
        raise InvalidNetError(
            f"caffe-yolov2's DetectionOutput takes one image, a map of {side}x{side}, and two biases a box"
        )
    cells = _cells(x, count, classes + 5)
    share = _softmax(cells[..., 5:], -1)
    score = (_sigmoid(cells[..., 4]) * share.max(axis=-1)).astype(np.float32).reshape(-1)
    good = np.flatnonzero(score >= np.float32(given.number("confidence_threshold", 0.01)))
    boxes, threshold = _located(cells, anchors[:count], 1)[good], np.float32(given.number("nms_threshold", 0.45))
    corners, left = _cut(boxes), np.arange(len(good))
    rows = []
    while len(left):
        first, left = left[0], left[1:]
        label = share.reshape(-1, classes)[good[first]].argmax()
        rows.append([0.0, float(label), float(score[good[first]]), *boxes[first].tolist()])
        left = left[~(overlaps(corners[first], corners[left]) >= threshold)]
    found = np.array(rows or [[0.0, *[-1.0] * 6]], np.float32)
    return [found[None, None].astype(layer.dtype)]


def yolov3_detection_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Yolov3DetectionOutput`` (yolov3_detection_output_layer.cpp): every class of every box on its own.

    Boxes suppress each other across classes, so each place keeps only its best class. ``anchors_scale`` is the stride of
    each bottom; ``mask`` names the biases of each in turn.
    """
    given = fields(layer, "yolov3_detection_output_param")
    classes, count = given.integer("num_classes", 20), given.integer("num_box", 3)
    anchors, mask, scale = _anchors(given), given.integers("mask"), given.integers("anchors_scale")
    if given.has("masks") or given.flag("gaussian_box", default=False):
        raise UnsupportedError("Yolov3DetectionOutput with masks (another fork's) or gaussian_box")
    groups = given.integer("mask_group_num", 2)
    if len(bottoms) != groups or len(scale) < groups or len(mask) < groups * count or max(mask) >= len(anchors):
        raise InvalidNetError("Yolov3DetectionOutput needs mask_group_num bottoms, and a scale and masks for each")
    found: list[Found] = []
    for number, bottom in enumerate(bottoms):
        cells = _cells(bottom, count, classes + 5)
        start = number * (len(mask) // groups)
        score = (_sigmoid(cells[..., 5:]) * _sigmoid(cells[..., 4:5])).astype(np.float32).reshape(-1, classes)
        place, label = np.nonzero(score > np.float32(given.number("confidence_threshold", 0.01)))
        boxes = _located(cells, anchors[mask[start : start + count]], scale[number])
        found.append((boxes[place], number * MOST + place, score[place, label], label))
    return _rows(layer, found, given.number("nms_threshold", 0.45), len(bottoms[0]))


def region_yolo(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``RegionYolo`` (region_yolo_layer.cpp): sigmoid of x, y and objectness, softmax over the classes, then flattened."""
    expect(layer, bottoms, 1)
    given, shape, x = fields(layer, "region_yolo_param"), fields(layer, "flatten_param"), bottoms[0]
    coords, classes, count = given.integer("coords", 4), given.integer("classes", 20), given.integer("num", 1)
    if not given.flag("do_softmax", default=True):
        raise UnsupportedError("RegionYolo with do_softmax: false")
    if x.ndim != 4 or x.shape[1] != count * (classes + coords + 1):
        raise InvalidNetError(f"RegionYolo needs num·(classes + coords + 1) channels, not those of {x.shape}")
    parts = x.reshape(len(x), count, classes + coords + 1, *x.shape[2:])
    squashed = [0, 1, coords]
    top = parts.copy()
    top[:, :, squashed] = _sigmoid(parts[:, :, squashed])
    top[:, :, coords + 1 :] = _softmax(parts[:, :, coords + 1 :], 2)
    start, end = canonical(shape.integer("axis", 1), 4), canonical(shape.integer("end_axis", -1), 4)
    return [top.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])]
