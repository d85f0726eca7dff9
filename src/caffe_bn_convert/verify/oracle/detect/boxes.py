"""Boxes: decoding, overlap and suppression, in float32 as SSD's bbox_util.cpp has them.

A box is four float32: xmin, ymin, xmax, ymax. Flipped boxes (max below min) are kept as they are and have size 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array

BLOCK = 64
"""So many boxes at a time are compared with those that were kept and with each other."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Non-maximum suppression of one class (``nms_param``).

    Attributes:
        threshold: a box that overlaps a kept one by more is dropped.
        eta: the factor that the threshold takes after each kept box while it is above 0.5.
        top_k: how many of the best boxes are looked at; below 0 all.
    """

    threshold: float
    eta: float = 1.0
    top_k: int = -1


def sizes(boxes: Array) -> Array:
    """``BBoxSize``: the area, 0 for flipped boxes."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return np.where((width < 0) | (height < 0), np.float32(0), width * height)


def overlaps(box: Array, others: Array) -> Array:
    """``JaccardOverlap`` of boxes, broadcast: intersection over union, 0 where they do not meet."""
    (left, top, right, bottom), (left2, top2, right2, bottom2) = np.moveaxis(box, -1, 0), np.moveaxis(others, -1, 0)
    apart = (left2 > right) | (right2 < left) | (top2 > bottom) | (bottom2 < top)
    width = np.minimum(right, right2) - np.maximum(left, left2)
    height = np.minimum(bottom, bottom2) - np.maximum(top, top2)
    common = width * height
    with np.errstate(divide="ignore", invalid="ignore"):
        share = common / (sizes(box) + sizes(others) - common)
    return np.where(apart | (width <= 0) | (height <= 0), np.float32(0), share)


def suppress(boxes: Array, scores: Array, least: float, rule: Suppression) -> list[int]:
    """``ApplyNMSFast``: indices of the kept boxes, best first; only scores above ``least``; ties keep their order."""
    candidates = np.flatnonzero(scores > np.float32(least))
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    order = order if rule.top_k < 0 else order[: rule.top_k]
    threshold = np.float32(rule.threshold)
    kept: list[int] = []
    for start in range(0, len(order), BLOCK):
        block, before = order[start : start + BLOCK], len(kept)
        shares = overlaps(boxes[block, None], boxes[[*kept, *block]])
        counts = np.arange(shares.shape[1]) < before
        for place, index in enumerate(block):
            if (shares[place, counts] > threshold).any():
                continue
            kept.append(int(index))
            counts[before + place] = True
            if rule.eta < 1 and threshold > 0.5:
                threshold = np.float32(threshold * np.float32(rule.eta))
    return kept


def decode(priors: Array, variance: Array, code: str, location: Array) -> Array:
    """``DecodeBBox``: predicted boxes from priors and predicted offsets, all (…, 4) float32.

    Args:
        priors: prior boxes.
        variance: their variances; 1 where the variance is encoded in the target.
        code: ``CORNER``, ``CENTER_SIZE`` or ``CORNER_SIZE``.
        location: what the net predicts.

    Raises:
        InvalidNetError: a prior is empty (Caffe aborts) or the code is unknown.
    """
    if code == "CORNER":
        moved: Array = priors + variance * location
        return moved
    side = priors[..., 2:] - priors[..., :2]
    if not (side > 0).all():
        raise InvalidNetError(f"code_type {code} needs prior boxes with a positive width and height")
    if code == "CORNER_SIZE":
        scaled: Array = priors + variance * location * np.concatenate([side, side], axis=-1)
        return scaled
    if code != "CENTER_SIZE":
        raise InvalidNetError(f"code_type {code} is unknown")
    centre = variance[..., :2] * location[..., :2] * side + (priors[..., :2] + priors[..., 2:]) / np.float32(2)
    with np.errstate(over="ignore"):
        extent = np.exp((variance[..., 2:] * location[..., 2:]).astype(np.float64)).astype(np.float32) * side
    # Caffe halves with the double 2., so the corner is rounded to float32 once.
    half = extent.astype(np.float64) / 2
    corners = np.concatenate([centre - half, centre + half], axis=-1)
    return corners.astype(np.float32)
