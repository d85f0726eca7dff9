"""Python layers that propose regions, after their authors' NumPy. Nothing is imported, no YAML is evaluated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.layer import expect

from .proposal import Options, propose
from .python import PYTHON_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

BEST = 1000
"""``TEST.N_DETS_PER_MODULE`` of SSH's default_config.yml."""


def enumerated(base: int, ratios: Sequence[float], scales: Sequence[float]) -> Array:
    """``generate_anchors``: around the middle of a cell; integers among themselves are divided as Python 2 does."""
    ratio, scale = np.array(ratios), np.array(scales)
    area = np.array(base * base)
    width = np.round(np.sqrt(area // ratio if ratio.dtype.kind == "i" else area / ratio))
    height = np.round(width * ratio)
    side = np.stack([np.outer(width, scale).ravel(), np.outer(height, scale).ravel()], axis=1)
    reach, middle = 0.5 * (side - 1), 0.5 * (base - 1)
    return np.concatenate([middle - reach, middle + reach], axis=1).astype(np.float32)


def _number(text: str, name: str, default: int = 0) -> int:
    found = re.search(rf"\b{name}['\"]?\s*:\s*(\d+)\b(?!\.)", text)
    if found is None and (re.search(rf"\b{name}\b", text) or not default):
        raise InvalidNetError(f"ProposalLayer's param_str must have {name}")
    return int(found.group(1)) if found else default


def _numbers(text: str, name: str, default: Sequence[float]) -> Sequence[float]:
    """A list of numbers; ``eval`` is not needed for these."""
    if not re.search(rf"\b{name}\b", text):
        return default
    found = re.search(rf"\b{name}['\"]?\s*:\s*(?:!!python/tuple\s*)?\[([\d\s.,]+)\]", text)
    if found is None:
        raise InvalidNetError(f"{name} in ProposalLayer's param_str must be a list of numbers")
    words = found.group(1).replace(",", " ").split()
    return [float(word) if "." in word else int(word) for word in words]


RATIOS, SCALES = (0.5, 1, 2), (8, 16, 32)


def faster_rcnn(layer: Layer, bottoms: list[Array], text: str) -> list[Array]:
    """``rpn.proposal_layer`` of py-faster-rcnn with the settings of its config.py for testing; scores are (regions, 1)."""
    boxes = enumerated(16, _numbers(text, "ratios", RATIOS), _numbers(text, "scales", SCALES))
    rois, scores = propose(Options(_number(text, "feat_stride"), boxes, 16, 6000, 300, 0.7, drops=True), bottoms)
    return [rois.astype(layer.dtype), scores[:, None].astype(layer.dtype)]


def mnc(layer: Layer, bottoms: list[Array], text: str) -> list[Array]:
    """``pylayer.proposal_layer`` of MNC: the same settings (mnc_config.py), but always nine anchors."""
    return faster_rcnn(layer, bottoms, f"feat_stride: {_number(text, 'feat_stride')}")


def ssh(layer: Layer, bottoms: list[Array], text: str) -> list[Array]:
    """``SSH.layers.proposal_layer``: the best boxes of all; ``ANCHOR_MIN_SIZE`` is 0, and NMS is for training only."""
    scores, deltas, info = (bottom.astype(np.float32) for bottom in bottoms)
    cell = enumerated(
        _number(text, "base_size", 16), _numbers(text, "ratios", RATIOS), _numbers(text, "scales", SCALES)
    )
    boxes = _inverted(cell, deltas, _number(text, "feat_stride"))
    limit = info.ravel()[[1, 0, 1, 0]] - 1
    boxes = np.maximum(np.minimum(boxes, limit), 0)
    score = scores[0, len(cell) :].transpose(1, 2, 0).ravel()
    order = np.argsort(-score, kind="stable")[:BEST]
    rois = np.column_stack([np.zeros(len(order)), boxes[order]])
    return [rois.astype(layer.dtype), score[order, None].astype(layer.dtype)]


def _inverted(cell: Array, deltas: Array, stride: int) -> Array:
    """``bbox_transform_inv`` of SSH's bbox_transform.py, where NumPy raises at an overflow, all in float32."""
    high, wide = deltas.shape[2:]
    y, x = np.divmod(np.arange(high * wide), wide)
    anchors = (np.stack([x, y, x, y], axis=1)[:, None] * stride + cell).reshape(-1, 4).astype(np.float32)
    delta = deltas[0].reshape(len(cell), 4, high * wide).transpose(2, 0, 1).reshape(-1, 4)
    size = anchors[:, 2:] - anchors[:, :2] + np.float32(1)
    middle = anchors[:, :2] + np.float32(0.5) * size
    growth = delta[:, 2:].copy()
    try:
        with np.errstate(over="raise"):
            side = np.exp(growth) * size
    except FloatingPointError:
        growth[growth > 50] = 5
        side = np.exp(growth) * size
    middle, reach = delta[:, :2] * size + middle, np.float32(0.5) * side
    return np.concatenate([middle - reach, middle + reach], axis=1)


CTPN_HEIGHTS = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)


def ctpn(layer: Layer, bottoms: list[Array], text: str) -> list[Array]:
    """``layers.text_proposal_layer`` of CTPN (anchor.py): every anchor's box and score, in the order of the cells.

    ``h/2`` is Python 2's division of integers, and a box of int32 drops what is behind the point.
    """
    scores, deltas, info = bottoms
    cell = np.zeros((len(CTPN_HEIGHTS), 4), np.int32)
    for index, height in enumerate(CTPN_HEIGHTS):
        cell[index] = [7.5 - 16 // 2, 7.5 - height // 2, 7.5 + 16 // 2, 7.5 + height // 2]
    stride, count = _number(text, "feat_stride"), len(cell)
    if scores.shape[1] != 2 * count or deltas.shape[1] != 2 * count or info.size < 2:
        raise InvalidNetError(f"CTPN's {count} anchors need {2 * count} scores and deltas, and the picture's size")
    anchors = np.array(
        [box + stride * np.array([x, y, x, y]) for y, x in np.ndindex(*scores.shape[2:]) for box in cell], layer.dtype
    )
    by, growth = deltas[0].transpose(1, 2, 0).reshape(-1, 2).T
    tall = anchors[:, 3] - anchors[:, 1] + 1
    height = np.exp(growth) * tall
    top = by * tall + (anchors[:, 1] + anchors[:, 3]) / 2 - height / 2
    boxes = np.stack([anchors[:, 0], top, anchors[:, 2], top + height], axis=1)
    limit = info.ravel()[[1, 0, 1, 0]] - 1
    clipped = np.maximum(np.minimum(boxes, limit), 0).astype(layer.dtype)
    return [clipped, scores[0, count:].transpose(1, 2, 0).reshape(-1, 1)]


def mnc_mask(layer: Layer, bottoms: list[Array], _text: str) -> list[Array]:
    """``pylayer.mask_layer``: (regions, 1, 21, 21), by ``MASK_SIZE`` of mnc_config.py."""
    expect(layer, bottoms, 1)
    if bottoms[0][:1].size != 21 * 21 and len(bottoms[0]):
        raise InvalidNetError(f"masks of 441 numbers do not come of {bottoms[0].shape}")
    return [bottoms[0].reshape(len(bottoms[0]), 1, 21, 21)]


def mnc_stage_bridge(layer: Layer, bottoms: list[Array], _text: str) -> list[Array]:
    """``pylayer.stage_bridge_layer``, ``forward_test``: boxes of all classes, then each region's likeliest."""
    expect(layer, bottoms, 4)
    rois, deltas, scores, info = bottoms
    if scores.ndim != 2 or deltas.shape != (len(rois), 4 * scores.shape[1]) or rois.shape[1:] != (5,):
        raise InvalidNetError(f"regions {rois.shape}, deltas {deltas.shape} and scores {scores.shape} do not fit")
    classes = deltas.reshape(len(rois), scores.shape[1], 4)
    size = (rois[:, 3:] - rois[:, 1:3] + 1)[:, None]
    centre = classes[..., :2] * size + (rois[:, None, 1:3] + size / 2)
    with np.errstate(over="ignore"):
        reach = np.exp(classes[..., 2:]) * size / 2
    boxes = np.concatenate([centre - reach, centre + reach], axis=-1)[np.arange(len(rois)), scores.argmax(axis=1)]
    limit = info.ravel()[[1, 0, 1, 0]] - 1
    clipped = np.maximum(np.minimum(boxes, limit), 0)
    return [np.column_stack([np.zeros(len(rois)), clipped]).astype(layer.dtype)]


OTHERS = {
    ("pylayer.mask_layer", "MaskLayer"): mnc_mask,
    ("pylayer.stage_bridge_layer", "StageBridgeLayer"): mnc_stage_bridge,
}
"""By module and class."""

PROPOSERS = {
    "rpn.proposal_layer": faster_rcnn,
    "pylayer.proposal_layer": mnc,
    "SSH.layers.proposal_layer": ssh,
    "layers.text_proposal_layer": ctpn,
}
"""By module; the class is always ProposalLayer."""


def python(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Python``: the class of a module, if it is a known one; any other is refused."""
    parameter = layer.parameter.python_param
    if (parameter.module, parameter.layer) in PYTHON_CLASSES:
        return PYTHON_CLASSES[parameter.module, parameter.layer](layer, bottoms)
    if (parameter.module, parameter.layer) in OTHERS and layer.phase == "TEST":
        return OTHERS[parameter.module, parameter.layer](layer, bottoms, parameter.param_str)
    if parameter.module not in PROPOSERS or parameter.layer != "ProposalLayer":
        raise UnsupportedError(f'the Python layer "{parameter.module}.{parameter.layer}"')
    expect(layer, bottoms, 3)
    if len(bottoms[0]) != 1 or layer.phase != "TEST":
        raise UnsupportedError("ProposalLayer takes one image, and here only in TEST")
    return PROPOSERS[parameter.module](layer, bottoms, parameter.param_str)
