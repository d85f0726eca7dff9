"""``Proposal`` of synopsys-caffe (its proposal_layer.cpp), loop by loop, in float32 as there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array


def _anchors(given: Fields) -> Array:
    """``Generate_anchors``: width, height and centre (anchors, 4) around the cell at the origin."""
    scales = (8, 16, 32) if given.integer("anchor_scale", 3) == 3 else (32,)
    ratios = (0.5, 1, 2) if given.integer("anchor_ratio", 3) == 3 else (1,)
    base = given.integer("anchor_base_size", 16)
    found, middle = [], 0.5 * (base - 1)
    for ratio in ratios:
        width = int(np.floor(np.sqrt(np.float32(base * base / ratio)) + 0.5))
        height = int(np.floor(width * ratio + 0.5))
        # The corners are middle ± (side - 1) / 2; Forward_cpu then has the centre half a pixel further on.
        found += [[width * scale, height * scale, middle + 0.5, middle + 0.5] for scale in scales]
    return np.array(found, np.float32)


def _boxes(given: Fields, anchors: Array, deltas: Array, info: Array) -> Array:
    """``bbox_transform_inv``: corners (anchors, rows, columns, 4), clipped to a picture of whole pixels."""
    rows, columns = deltas.shape[2:]
    stride, move = given.integer("feat_stride", 16), deltas[0].reshape(len(anchors), 4, rows, columns)
    width, height, right, down = (value[:, None, None] for value in anchors.T)
    x = (np.arange(columns, dtype=np.float32) * np.float32(stride))[None, None, :] + right
    y = (np.arange(rows, dtype=np.float32) * np.float32(stride))[None, :, None] + down
    with np.errstate(over="ignore"):
        half_w, half_h = np.exp(move[:, 2]) * width / np.float32(2), np.exp(move[:, 3]) * height / np.float32(2)
    x, y = x + width * move[:, 0], y + height * move[:, 1]
    high_x, high_y = np.float32(int(info[1]) - 1), np.float32(int(info[0]) - 1)
    corners = [(x - half_w, high_x), (y - half_h, high_y), (x + half_w, high_x), (y + half_h, high_y)]
    return np.stack([np.maximum(np.minimum(value, high), 0) for value, high in corners], axis=-1)


def counted_proposal(given: Fields, bottoms: list[Array]) -> list[Array]:
    """Rows (0, x1, y1, x2, y2), and scores (regions, 1).

    ``filter_boxes`` ends in front of the last box, which so stays. Of equal scores the later one goes first
    (``std::greater`` of score and index). What is behind the best ``pre_nms_topn`` is not cut off, but in no order;
    here it is sorted, too.
    """
    anchors, info = _anchors(given), bottoms[2].reshape(-1).astype(np.float32)
    count = len(anchors)
    scores, deltas = bottoms[0].astype(np.float32), bottoms[1].astype(np.float32)
    if scores.shape[:2] != (1, 2 * count) or deltas.shape != (1, 4 * count, *scores.shape[2:]) or info.size < 3:
        raise InvalidNetError(
            f"{count} anchors need 1×{2 * count} scores, 1×{4 * count} deltas, and an image info of 3"
        )
    boxes, score = _boxes(given, anchors, deltas, info).reshape(-1, 4), scores[0, count:].reshape(-1)
    least = np.float32(given.number("rpn_min_size", 16)) * info[2]
    large = ((boxes[:, 2:] - boxes[:, :2] + 1) >= least).all(axis=1)
    large[-1] = True
    boxes, score = boxes[large], score[large]
    order = np.lexsort((np.arange(len(score)), score))[::-1]
    kept: list[int] = []
    for index in order:
        if len(kept) == given.integer("max_rois", 300):
            break
        if not (_overlaps(boxes[index], boxes[kept]) > np.float32(given.number("rpn_nms_thresh", 0.7))).any():
            kept.append(int(index))
    return [np.column_stack([np.zeros(len(kept), np.float32), boxes[kept]]), score[kept][:, None]]


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of boxes whose last pixels belong to them."""
    side = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + 1, 0)
    common = side[:, 0] * side[:, 1]
    area, areas = np.prod(box[2:] - box[:2] + 1), np.prod(others[:, 2:] - others[:, :2] + 1, axis=1)
    return np.asarray(common / (area + areas - common))
