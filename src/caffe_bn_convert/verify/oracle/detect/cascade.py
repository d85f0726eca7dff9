"""What MS-CNN and Cascade R-CNN make and choose boxes with, as their C++ has it (zhaoweicai's mscnn and cascade-rcnn).

What chooses boxes is all in float32, whatever the layer's dtype, as Caffe computes it: how many there are hangs on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

    Overlap = Callable[[Array, Array, str], Array]


def _denormalised(layer: Layer, offsets: Array) -> Array:
    """Offsets (…, 4) times ``bbox_std`` plus ``bbox_mean``, if both are given."""
    given = fields(layer, "bbox_reg_param")
    means, stds = given.numbers("bbox_mean"), given.numbers("bbox_std")
    if not means or not stds:
        return offsets
    if len(means) != 4 or len(stds) != 4:
        raise InvalidNetError("bbox_mean and bbox_std must have four numbers each")
    return np.asarray(offsets * np.array(stds, layer.dtype) + np.array(means, layer.dtype))


def _bounded(layer: Layer, given: Fields, offsets: Array) -> Array:
    """Moves of the centre within 1/field_xyr, logarithms of the sides within those of 1/field_whr and field_whr."""
    real = layer.dtype.type
    reach, ratio = real(1) / real(given.number("field_xyr", 2)), real(given.number("field_whr", 2))
    low = np.array([-reach, -reach, np.log(real(1) / ratio), np.log(real(1) / ratio)], layer.dtype)
    high = np.array([reach, reach, np.log(ratio), np.log(ratio)], layer.dtype)
    return np.asarray(np.minimum(np.maximum(offsets, low), high))


def _cells(height: int, width: int, stride: float, dtype: np.dtype[Any]) -> Array:
    """The middle of each cell in pixels, (height · width, 2), row by row."""
    y, x = np.divmod(np.arange(height * width), width)
    return np.asarray((np.stack([x, y], axis=1).astype(dtype) + dtype.type(0.5)) * dtype.type(stride))


def _share(common: Array, one: Any, others: Array, mode: str) -> Array:
    """``IOMU``: by the smaller area; ``IOFU``: by the first; any other word: by that of both."""
    if mode == "IOMU":
        return np.asarray(common / np.minimum(one, others))
    return np.asarray(common / one if mode == "IOFU" else common / (one + others - common))


def _box_iou(box: Array, others: Array, mode: str) -> Array:
    """``BoxIOU`` of MS-CNN's math_functions.cpp; boxes are corner, width and height."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    none = (box[2:] <= 0).any() | (others[:, 2:] <= 0).any(axis=1) | (low >= high).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = _share(np.prod(high - low, axis=1), np.prod(box[2:]), np.prod(others[:, 2:], axis=1), mode)
    return np.where(none, others.dtype.type(0), share)


def _jaccard(box: Array, others: Array, mode: str) -> Array:
    """``JaccardOverlap`` of Cascade R-CNN's bbox_util.cpp; boxes are corners, the far ones inside."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    turned = (box[2:] < box[:2]).any() | (others[:, 2:] < others[:, :2]).any(axis=1)
    # So it is written there: ``>`` across, ``>=`` down.
    apart = (low[:, 0] > high[:, 0]) | (low[:, 1] >= high[:, 1])
    area = np.prod(others[:, 2:] - others[:, :2] + 1, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = _share(np.prod(high - low + 1, axis=1), np.prod(box[2:] - box[:2] + 1), area, mode)
    return np.where(turned | apart, others.dtype.type(0), share)


def _suppressed(boxes: Array, overlap: Overlap, given: Fields) -> Array:
    """``nmsMax`` and ``ApplyNMS``: places of the boxes, sorted ones, that no better one overlaps by more than iou_thr."""
    threshold, mode = given.number("iou_thr", 0.5), given.word("nms_type", "IOU")
    kept = np.ones(len(boxes), bool)
    for place in range(len(boxes)):
        if kept[place]:
            later = slice(place + 1, None)
            kept[later] &= ~(overlap(boxes[place], boxes[later], mode) > threshold)
    return np.flatnonzero(kept)


def _best(boxes: Array, order: Array, overlap: Overlap, given: Fields) -> Array:
    """What is kept of boxes in that order, with ``max_nms_num`` and ``max_post_nms_num``."""
    before, after = given.integer("max_nms_num", 0), given.integer("max_post_nms_num", 0)
    order = order[:before] if before > 0 else order
    kept = order[_suppressed(boxes[order], overlap, given)]
    return kept[:after] if after > 0 else kept


def _tops(layer: Layer, images: Sequence[Array]) -> list[Array]:
    """Rows (image, x1, y1, x2, y2), and with the score; or what stands for "no box"."""
    rows = np.concatenate([np.insert(found, 0, number, axis=1) for number, found in enumerate(images)])
    tops = [rows[:, :5], rows] if len(rows) else [np.array([[0, 1, 1, 10, 10]]), np.zeros((1, 6))]
    return [np.asarray(top[:, :, None, None], layer.dtype) for top in tops[: max(1, layer.tops)]]


def _single(layer: Layer, bottoms: Sequence[Array]) -> tuple[Layer, list[Array]]:
    """The layer and its bottoms, (items, channels, H, W) each, in float32."""
    return replace(layer, dtype=np.dtype(np.float32)), [x.astype(np.float32) for x in _maps(bottoms)]


def _maps(bottoms: Sequence[Array]) -> list[Array]:
    """(items, channels, H, W) each."""
    return [bottom.reshape(legacy_shape(bottom)) for bottom in bottoms]


def box_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``BoxOutput`` (box_output_layer.cpp of mscnn)."""
    single, maps = _single(layer, bottoms)
    given = fields(layer, "box_output_param")
    settings = [given.integers(name) for name in ("field_w", "field_h", "downsample_rate")]
    if any(len(numbers) != len(maps) for numbers in settings):
        raise InvalidNetError("BoxOutput needs a field_w, a field_h and a downsample_rate for each bottom")
    if maps[0].shape[1] < 6:
        raise InvalidNetError("BoxOutput without a class besides the background")
    images = []
    for number in range(len(maps[0])):
        found = [_seen(single, given, x[number], *field) for x, *field in zip(maps, *settings, strict=True)]
        boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        # Pairs of score and place, sorted by ``std::greater``: of equal scores the later place.
        order = np.lexsort((np.arange(len(scores)), scores))[::-1]
        kept = _best(boxes, order, _box_iou, given)
        near = boxes[kept, :2]
        images.append(np.concatenate([near, near + boxes[kept, 2:], scores[kept, None]], axis=1))
    return _tops(layer, images)


def _seen(layer: Layer, given: Fields, x: Array, width: int, height: int, stride: int) -> tuple[Array, Array]:
    """Boxes (n, 4) of one map, corner and sides, and their scores; those that count."""
    real, (channels, rows, columns) = layer.dtype.type, x.shape
    flat = x.reshape(channels, rows * columns)
    score = flat[1 : channels - 4].max(axis=0) - flat[0]
    offset = _bounded(layer, given, _denormalised(layer, flat[channels - 4 :].T))
    field = np.array([width, height], layer.dtype)
    side = field * np.exp(offset[:, 2:])
    corner = offset[:, :2] * field + _cells(rows, columns, stride, layer.dtype) - side / real(2)
    corner = np.maximum(corner, real(0))
    side = np.minimum(side, np.array([columns * stride, rows * stride], layer.dtype) - corner)
    counts = (score >= given.number("fg_thr", 0)) & (side >= given.number("min_size", 15)).all(axis=1)
    return np.concatenate([corner, side], axis=1)[counts], score[counts]


def box_group_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``BoxGroupOutput`` (box_group_output_layer.cpp of cascade-rcnn). Which of equal scores comes first is undefined."""
    single, maps = _single(layer, bottoms)
    given = fields(layer, "box_group_output_param")
    groups = layer.parameter.box_group_output_param.box_group_param
    if len(maps) != 2 * len(groups) or not groups:
        raise InvalidNetError("BoxGroupOutput needs two bottoms for each box_group_param")
    count = len(maps[0]) // len(groups[0].field_w)
    images = []
    for number in range(count):
        found = []
        for group, likely, offsets in zip(groups, maps[::2], maps[1::2], strict=True):
            for index, field in enumerate(zip(group.field_w, group.field_h, strict=True)):
                item = number * len(group.field_w) + index
                found.append(_proposed(single, given, likely[item], offsets[item], field, group.stride))
        boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = _best(boxes, np.argsort(-scores, kind="stable"), _jaccard, given)
        images.append(np.concatenate([boxes[kept], scores[kept, None]], axis=1))
    return _tops(layer, images)


def _proposed(
    layer: Layer, given: Fields, likely: Array, offsets: Array, field: tuple[int, int], stride: int
) -> tuple[Array, Array]:
    """Boxes (n, 4) of one field of view, corners, and their scores; those that count (``DecodeGroupBBoxes``)."""
    real, (rows, columns) = layer.dtype.type, likely.shape[1:]
    score = real(1) - likely[0].reshape(-1)
    offset = _bounded(layer, given, _denormalised(layer, offsets.reshape(4, -1).T))
    size = np.array(field, layer.dtype)
    side = size * np.exp(offset[:, 2:])
    near = offset[:, :2] * size + _cells(rows, columns, stride, layer.dtype) - side / real(2)
    far = near + side - 1
    near, far = np.maximum(near, real(0)), np.minimum(far, np.array([columns * stride, rows * stride], layer.dtype))
    counts = (score >= given.number("fg_thr", 0)) & (far - near + 1 >= given.number("min_size", 15)).all(axis=1)
    return np.concatenate([near, far], axis=1)[counts], score[counts]


def _from_priors(layer: Layer, offsets: Array, priors: Array) -> Array:
    """``DecodeBBoxesWithPrior``: corners (n, boxes, 4) from offsets (n, boxes, 4) and priors (n, 4)."""
    real = layer.dtype.type
    side, centre = priors[:, 2:] - priors[:, :2] + 1, real(0.5) * (priors[:, 2:] + priors[:, :2])
    moved = _denormalised(layer, offsets)
    with np.errstate(over="ignore"):
        extent = side[:, None] * np.exp(moved[..., 2:])
    near = moved[..., :2] * side[:, None] + centre[:, None] - (extent - 1) / real(2)
    return np.asarray(np.concatenate([near, near + extent - 1], axis=-1))


def decode_bbox(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``DecodeBBox`` (decode_bbox_layer.cpp, the same in mscnn and cascade-rcnn), in the TEST phase."""
    expect(layer, bottoms, 2)
    if layer.phase != "TEST":
        raise UnsupportedError("DecodeBBox in the TRAIN phase")
    offsets, priors = (x[:, :, 0, 0] for x in _maps(bottoms))
    if len(offsets) != len(priors) or offsets.shape[1] != 8 or priors.shape[1] != 5:
        raise InvalidNetError("DecodeBBox takes 8 predicted numbers for each region (image, x1, y1, x2, y2)")
    boxes = _from_priors(layer, offsets[:, None, 4:], priors[:, 1:])[:, 0]
    return [np.concatenate([priors[:, :1], boxes], axis=1)[:, :, None, None]]


def frcnn_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``FrcnnOutput`` (frcnn_output_layer.cpp of cascade-rcnn). Which of equal scores comes first is undefined."""
    expect(layer, bottoms, 4)
    given, aware = fields(layer, "frcnn_output_param"), fields(layer, "bbox_reg_param").flag("cls_aware", default=True)
    single, maps = _single(layer, bottoms)
    likely, offsets, regions, size = (x[:, :, 0, 0] for x in maps)
    corners = regions[:, 1:5]
    if (regions[:, 0] != 0).any() or (corners[:, 2:] < corners[:, :2]).any():
        raise InvalidNetError("FrcnnOutput takes regions of the image 0 with corners in order; Caffe stops at others")
    wide = 4 * likely.shape[1] if aware else 8
    if offsets.shape[1] != wide:
        raise InvalidNetError(f"FrcnnOutput needs {wide} numbers of boxes for each region")
    boxes = _from_priors(single, offsets.reshape(len(offsets), -1, 4), corners)
    boxes[..., :2] = np.maximum(boxes[..., :2], 0)
    boxes[..., 2:] = np.minimum(boxes[..., 2:], size[0, ::-1])
    rows = [_of_class(given, likely[:, c], boxes[:, c if aware else 1], c) for c in range(1, likely.shape[1])]
    found, most = np.concatenate(rows), given.integer("max_det_num", 0)
    if 0 < most < len(found):
        best = np.argsort(-found[:, 6], kind="stable")[:most]
        found = found[best[np.argsort(found[best, 5], kind="stable")]]
    first = np.array([[0, -1, -1, -1, -1, -1, -1]])
    return [np.concatenate([first, found]).astype(layer.dtype)[:, :, None, None]]


def _of_class(given: Fields, score: Array, boxes: Array, label: int) -> Array:
    """The detections of one class: (n, 7)."""
    counts = np.flatnonzero(score >= given.number("conf_thr", 0))
    order = counts[np.argsort(-score[counts], kind="stable")]
    kept = order[_suppressed(boxes[order], _jaccard, given)]
    labels = np.full(len(kept), label, score.dtype)
    return np.column_stack([0 * labels, boxes[kept], labels, score[kept]])


def scale_route(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ScaleRoute`` (scale_route_layer.cpp of cascade-rcnn): of each bottom the items of the regions of some scales."""
    given, regions = fields(layer, "scale_route_param"), _single(layer, bottoms[:1])[1][0][:, :, 0, 0]
    if regions.shape[1] != 5:
        raise InvalidNetError("ScaleRoute takes regions (image, x1, y1, x2, y2)")
    low, high = given.number("low_scale", 0), given.number("high_scale", float(np.finfo(np.float32).max))
    middle = 256.0
    if given.has("low_scale") or given.has("high_scale"):
        middle = low if given.has("low_scale") else high
    if given.has("low_scale") and given.has("high_scale"):
        middle = float(np.sqrt(np.float32(low) * np.float32(high)))
    apart = regions[:, 3:] - regions[:, 1:3]
    area = np.where((apart < 0).any(axis=1), np.float32(0), np.prod(apart + 1, axis=1))
    scale = np.sqrt(area)
    chosen = np.flatnonzero((scale >= low) & (scale < high))
    if not len(chosen):
        with np.errstate(divide="ignore"):
            distance = np.abs(np.log2(scale / np.float32(middle)))
        if not np.isfinite(distance).any():
            raise InvalidNetError("ScaleRoute has no region with an area; Caffe stops here")
        chosen = np.array([np.argmin(distance)])
    return [x[chosen] for x in _maps(bottoms)]
