"""Region proposals of Faster R-CNN: the C++ ``Proposal`` of OpenVINO's fork and caffe-windows, and what Python layers share.

All in float32, as Caffe computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

from .counted import counted_proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


@dataclass(frozen=True, slots=True)
class Options:
    """How regions are proposed."""

    stride: int
    anchors: Array
    smallest: int
    before: int
    after: int
    threshold: float
    drops: bool  # whether boxes that are too small go away; else they stay with score 0


def anchors(base: int, ratios: Sequence[float], scales: Sequence[float]) -> Array:
    """Boxes (ratios · scales, 4) around the centre of a cell of ``base`` pixels (``generate_anchors``)."""
    one, half, boxes = np.float32(1), np.float32(0.5), []
    centre = half * (np.float32(base) - one)
    for ratio in np.array(ratios, np.float32):
        width = np.floor(np.sqrt(np.float32(base * base) / ratio) + half)
        height = np.floor(width * ratio + half)
        for scale in np.array(scales, np.float32):
            w, h = half * (width * scale - one), half * (height * scale - one)
            boxes.append([centre - w, centre - h, centre + w, centre + h])
    return np.array(boxes, np.float32)


def boxes_of(options: Options, deltas: Array, image: Array) -> Array:
    """Predicted boxes (rows · columns · anchors, 4) within the image (``transform_box``)."""
    h, w = deltas.shape[1:]
    shift = np.array([options.stride], np.float32)
    x, y = np.meshgrid(np.arange(w, dtype=np.float32) * shift, np.arange(h, dtype=np.float32) * shift)
    start = np.stack([x, y, x, y], axis=-1)[:, :, None] + options.anchors
    move = deltas.reshape(len(options.anchors), 4, h, w).transpose(2, 3, 0, 1)
    size = start[..., 2:] - start[..., :2] + 1
    centre = move[..., :2] * size + (start[..., :2] + np.float32(0.5) * size)
    with np.errstate(over="ignore"):
        half = np.float32(0.5) * (np.exp(move[..., 2:]) * size)
    corners = np.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4)
    limit = np.array([image[1], image[0]] * 2, np.float32) - 1
    return np.asarray(np.maximum(np.minimum(corners, limit), 0), np.float32)


def _suppressed(boxes: Array, threshold: float, most: int) -> list[int]:
    """Indices of boxes that overlap no better one by more than the threshold; pixels count as squares (``nms_cpu``)."""
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    alive, kept = np.ones(len(boxes), bool), []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        kept.append(index)
        if len(kept) == most:
            break
        low, high = np.maximum(boxes[index, :2], boxes[:, :2]), np.minimum(boxes[index, 2:], boxes[:, 2:])
        side = np.maximum(high - low + 1, 0)
        # Boxes that do not touch have no overlap, although the added pixel would give them one.
        common = np.where((high < low).any(axis=1), 0, side[:, 0] * side[:, 1])
        alive &= ~(common / (area[index] + area - common) > np.float32(threshold))
    return kept


def propose(options: Options, bottoms: list[Array]) -> list[Array]:
    """Rows (image, x1, y1, x2, y2), best first, and their scores."""
    scores, deltas, info = (bottom.astype(np.float32) for bottom in bottoms)
    count, info = len(options.anchors), info.reshape(-1)
    if scores.shape[1] != 2 * count or deltas.shape[1] != 4 * count or info.size < 3:
        raise InvalidNetError(
            f"{count} anchors need {2 * count} scores, {4 * count} deltas and an image info of 3 numbers"
        )
    rows, chosen = [], []
    for number in range(len(scores)):
        boxes = boxes_of(options, deltas[number], info)
        score = scores[number, count:].transpose(1, 2, 0).reshape(-1)
        side = boxes[:, 2:] - boxes[:, :2] + 1
        scale = np.array([info[3] if info.size > 3 and not options.drops else info[2], info[2]], np.float32)
        large = (side >= np.float32(options.smallest) * scale).all(axis=1)
        boxes, score = (boxes[large], score[large]) if options.drops else (boxes, score * large)
        order = np.argsort(-score, kind="stable")[: options.before]
        kept = order[_suppressed(boxes[order], options.threshold, options.after)]
        rows.append(np.column_stack([np.full(len(kept), number, np.float32), boxes[kept]]))
        chosen.append(score[kept])
    return [np.concatenate(rows), np.concatenate(chosen)]


def proposal(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Proposal`` (proposal_layer.cpp): bottoms scores, deltas and image info; tops (image, x1, y1, x2, y2) and scores.

    Which of equal scores comes first is undefined in Caffe; boxes below ``min_size`` stay, with score 0. Without ``ratio``
    and ``scale`` it is synopsys-caffe's.
    """
    expect(layer, bottoms, 3)
    given = fields(layer, "proposal_param")
    ratios, scales = given.numbers("ratio"), given.numbers("scale")
    if not ratios and not scales:
        return [top.astype(layer.dtype) for top in counted_proposal(given, bottoms)]
    if not ratios or not scales:
        raise InvalidNetError("Proposal takes ratio and scale, or neither")
    options = Options(
        stride=given.integer("feat_stride", 16),
        anchors=anchors(given.integer("base_size", 16), ratios, scales),
        smallest=given.integer("min_size", 16),
        before=given.integer("pre_nms_topn", 6000),
        after=given.integer("post_nms_topn", 300),
        threshold=given.number("nms_thresh", 0.7),
        drops=False,
    )
    return [top.astype(layer.dtype) for top in propose(options, bottoms)]
