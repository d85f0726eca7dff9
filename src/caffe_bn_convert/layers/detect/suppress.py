"""Non-maximum suppression: ``ApplyNMSFast`` of SSD's bbox_util.cpp, for all images and classes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.body import body
from caffe_bn_convert.export.elem_types import BOOL, FLOAT, INT64

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Suppression:
    """``nms_param``, and the least score.

    Attributes:
        threshold: a box that overlaps a kept one by more is dropped.
        eta: while the threshold is above 0.5, each kept box multiplies it by this.
        top_k: how many of the best boxes of a class are looked at; below 0 all.
        least: scores must be above it.
    """

    threshold: float
    eta: float
    top_k: int
    least: float

    @property
    def adaptive(self) -> bool:
        """Whether ``eta`` ever changes the threshold."""
        return self.eta < 1 and self.threshold > 0.5

    def emit(self, e: Emitter, boxes: str, scores: str, priors: int) -> str:
        """The kept boxes.

        Args:
            e: where the nodes go.
            boxes: (rows, priors, 4).
            scores: (rows, classes, priors); with ``adaptive`` there must be one class.
            priors: their number.

        Returns:
            (kept, 3) of int64: row, class, prior; ordered by row, class and falling score, equal scores by prior.
        """
        looked_at = priors if self.top_k < 0 else min(self.top_k, priors)
        if self.adaptive:
            return _adaptive(e, self, boxes, scores, looked_at)
        if looked_at < priors:
            # What is not among the best gets a score that never is above `least`.
            best, index = e.op("TopK", scores, e.ints([looked_at], "top_k"), outputs=2, axis=2)
            nothing = e.op("ConstantOfShape", e.op("Shape", scores), value=np.array([-np.inf], np.float32))
            scores = e.op("ScatterElements", nothing, index, best, axis=2)
        # NonMaxSuppression swaps the corners of a flipped box, for Caffe its size is 0: collapsed it is both.
        low, high = e.split(boxes, [2, 2], -1)
        corners = e.op("Concat", low, e.op("Max", low, high), axis=-1)
        # Overlaps reach at most 1, and NonMaxSuppression takes no threshold above.
        threshold = e.constant([min(self.threshold, 1.0)], "nms_threshold")
        least = e.constant([self.least], "confidence_threshold")
        count = e.ints([priors], "boxes_per_class")
        return str(e.op("NonMaxSuppression", corners, scores, count, threshold, least))


def _adaptive(e: Emitter, rule: Suppression, boxes: str, scores: str, looked_at: int) -> str:
    """A loop over the candidates from the best on, as the threshold depends on what has been kept."""
    flat = e.op("Squeeze", scores, e.ints([1], "axes"))
    best, index = e.op("TopK", flat, e.ints([looked_at], "top_k"), outputs=2, axis=1)
    corners = e.op("Expand", e.op("Unsqueeze", index, e.ints([2], "axes")), e.ints([1, 1, 4], "corners"))
    boxes = e.op("GatherElements", boxes, corners, axis=1)
    wanted = e.op("Greater", best, e.constant(rule.least, "confidence_threshold"))
    nothing = e.op("Less", best, best)
    a_row_each = e.op("Shape", e.slice(best, [0], [1], [1]))
    limits = e.op("ConstantOfShape", a_row_each, value=np.array([rule.threshold], np.float32))
    with body(e) as step:
        number, more = step.input("number", INT64, ()), step.input("more", BOOL, ())
        kept, limit = step.input("kept", BOOL, (None, looked_at)), step.input("limit", FLOAT, (None, 1))
        at = e.op("Reshape", number, e.ints([1], "shape"))
        overlap = _overlaps(e, e.op("Gather", boxes, at, axis=1), boxes)
        clash = e.op("And", kept, e.op("Greater", overlap, limit))
        clashes = e.op("Cast", e.reduce("Max", e.op("Cast", clash, to=FLOAT), [1], keepdims=True), to=BOOL)
        keep = e.op("And", e.op("Gather", wanted, at, axis=1), e.op("Not", clashes))
        positions = e.constant(np.arange(looked_at)[None], "positions", np.int64)
        step.output(e.op("Identity", more), BOOL, ())
        step.output(e.op("Or", kept, e.op("And", keep, e.op("Equal", positions, at))), BOOL, (None, looked_at))
        shrinks = e.op("And", keep, e.op("Greater", limit, e.constant(0.5, "half")))
        shrunk = e.op("Mul", limit, e.constant(rule.eta, "eta"))
        step.output(e.op("Where", shrinks, shrunk, limit), FLOAT, (None, 1))
    count = e.constant(looked_at, "count", np.int64)
    kept, _ = e.op("Loop", count, "", nothing, limits, outputs=2, body=step.graph("suppress"))
    found = e.op("Transpose", e.op("NonZero", kept), perm=[1, 0])
    prior = e.op("Unsqueeze", e.op("GatherND", index, found), e.ints([1], "axes"))
    rows = e.slice(found, [0], [1], [1])
    return str(e.op("Concat", rows, e.op("Sub", rows, rows), prior, axis=1))


def _overlaps(e: Emitter, box: str, others: str) -> str:
    """Intersection over union of (rows, 1, 4) with (rows, n, 4): (rows, n); 0 for flipped boxes."""
    zero = e.constant(0.0, "zero")
    (low, high), (lows, highs) = e.split(box, [2, 2], -1), e.split(others, [2, 2], -1)
    common = _area(e, e.op("Max", low, lows), e.op("Min", high, highs))
    union = e.op("Sub", e.op("Add", _area(e, low, high), _area(e, lows, highs)), common)
    meets = e.op("Greater", common, zero)
    return str(e.op("Where", meets, e.op("Div", common, e.op("Where", meets, union, e.constant(1.0, "one"))), zero))


def _area(e: Emitter, low: str, high: str) -> str:
    """Width times height, 0 where either is negative."""
    side = e.op("Max", e.op("Sub", high, low), e.constant(0.0, "zero"))
    width, height = e.split(side, [1, 1], -1)
    return str(e.op("Squeeze", e.op("Mul", width, height), e.ints([2], "axes")))
