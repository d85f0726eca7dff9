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
    """``JaccardOverlap`` of one box with each of ``others``: intersection over union, 0 where they do not meet."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    apart = (others[:, :2] > box[2:]) | (others[:, 2:] < box[:2])
    side = high - low
    common = side[:, 0] * side[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = common / (sizes(box) + sizes(others) - common)
    return np.where(apart.any(axis=1) | (side <= 0).any(axis=1), np.float32(0), share)


def suppress(boxes: Array, scores: Array, least: float, rule: Suppression) -> list[int]:
    """``ApplyNMSFast``: indices of the kept boxes, best first; only scores above ``least``; ties keep their order."""
    candidates = np.flatnonzero(scores > np.float32(least))
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    threshold = np.float32(rule.threshold)
    kept: list[int] = []
    for index in order if rule.top_k < 0 else order[: rule.top_k]:
        if kept and (overlaps(boxes[index], boxes[kept]) > threshold).any():
            continue
        kept.append(int(index))
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
