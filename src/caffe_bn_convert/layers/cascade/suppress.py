"""Non-maximum suppression as MS-CNN and Cascade R-CNN have it, by three kinds of overlap (``nms_type``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.export.body import body
from caffe_bn_convert.export.elem_types import BOOL, FLOAT, INT64

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Suppression:
    """Which boxes a better one drops.

    Attributes:
        threshold: a box that overlaps a kept one by more is dropped.
        kind: the common area is divided by that of both (IOU), of the smaller one (IOMU) or of the better one (IOFU).
        pixel: what a side is longer than its corners are apart: 1 where the last pixel belongs to the box, else 0.
    """

    threshold: float
    kind: str
    pixel: int

    @classmethod
    def read(cls, parameter: Any, pixel: int) -> Suppression:
        """Reads ``iou_thr`` and ``nms_type``; every other name means IOU to Caffe."""
        kind = parameter.nms_type
        return cls(parameter.iou_thr, kind if kind in ("IOMU", "IOFU") else "IOU", pixel)

    def is_plain(self, smallest: float) -> bool:
        """Whether NonMaxSuppression chooses the same among boxes whose sides are at least ``smallest``.

        It knows no other overlap than IOU. With ``pixel`` it counts boxes that lie side by side as overlapping, by less
        than one pixel, and Caffe does not: that must be too little to matter. Nor does it know Caffe's boxes without area.
        """
        enough = self.threshold * smallest >= 1 if self.pixel else smallest > 0
        return self.kind == "IOU" and self.threshold >= 0 and enough

    def by_operator(self, e: Emitter, boxes: str, scores: str, most: int) -> str:
        """The boxes that are kept, by NonMaxSuppression: (kept, 2) of int64, row and place, by row and falling score.

        Args:
            e: where the nodes go.
            boxes: (rows, n, 4), corners.
            scores: (rows, n); those of -inf do not take part. Of equal ones the first is the better one.
            most: at most so many a row.
        """
        if self.pixel:
            boxes = e.op("Add", boxes, e.constant([0.0, 0.0, 1.0, 1.0], "beyond"))
        found = e.op(
            "NonMaxSuppression", boxes, e.op("Unsqueeze", scores, e.ints([1], "axes")), e.ints([most], "most"),
            e.constant([min(self.threshold, 1.0)], "iou_thr"), e.constant([LOWEST], "any_score"),
        )  # fmt: skip
        return str(e.op("Gather", found, e.ints([0, 2], "row_and_place"), axis=1))

    def by_loop(self, e: Emitter, boxes: str, areas: str, scores: str) -> str:
        """Whether each box is kept, (rows, n) of bool.

        Args:
            e: where the nodes go.
            boxes: (rows, n, 4), corners; the best first.
            areas: (rows, n).
            scores: (rows, n), falling; those of -inf do not take part.
        """
        alive = e.op("Greater", scores, e.constant(LOWEST, "any_score"))
        sizes = e.op("Shape", scores)
        zero, one = e.constant(0, "zero", np.int64), e.constant(1, "one", np.int64)
        count = e.op("Gather", sizes, one, axis=0)
        places = e.op("Unsqueeze", e.op("Range", zero, count, one), e.ints([0], "axes"))
        # As the scores fall, none takes part behind the last one that does in any row.
        rounds = e.reduce(
            "Max", e.reduce("Sum", e.op("Cast", alive, to=INT64), [1], keepdims=False), [0], keepdims=False
        )
        with body(e) as step:
            number, more = step.input("number", INT64, ()), step.input("more", BOOL, ())
            left = step.input("left", BOOL, (None, None))
            at = e.op("Reshape", number, e.ints([1], "shape"))
            box, area = (e.op("Gather", value, at, axis=1) for value in (boxes, areas))
            much = e.op("Greater", self._overlap(e, (box, area), (boxes, areas)), e.constant(self.threshold, "iou_thr"))
            lesser = e.op("And", e.op("Gather", left, at, axis=1), e.op("Greater", places, at))
            step.output(e.op("Identity", more), BOOL, ())
            step.output(e.op("And", left, e.op("Not", e.op("And", lesser, much))), BOOL, (None, None))
        return str(e.op("Loop", rounds, "", alive, body=step.graph("suppress")))

    def _overlap(self, e: Emitter, better: tuple[str, str], others: tuple[str, str]) -> str:
        """Of (rows, 1, 4) and (rows, 1) with (rows, n, 4) and (rows, n): (rows, n)."""
        zero = e.constant(0.0, "zero")
        (low, high), (lows, highs) = e.split(better[0], [2, 2], 2), e.split(others[0], [2, 2], 2)
        apart = e.op("Sub", e.op("Min", high, highs), e.op("Max", low, lows))
        width, height = (e.op("Squeeze", part, e.ints([2], "axes")) for part in e.split(apart, [1, 1], 2))
        # Of boxes that touch in one pixel, Caffe takes those in one column for overlapping and those in one row not.
        wide = e.op("GreaterOrEqual" if self.pixel else "Greater", width, zero)
        meets = e.op("And", wide, e.op("Greater", height, zero))
        common = _area(e, width, height, self.pixel)
        if self.kind == "IOMU":
            whole = e.op("Min", better[1], others[1])
        elif self.kind == "IOFU":
            whole = better[1]
        else:
            whole = e.op("Sub", e.op("Add", better[1], others[1]), common)
        share = e.op("Div", common, e.op("Where", meets, whole, e.constant(1.0, "one")))
        return str(e.op("Where", meets, share, zero))


def areas_of(e: Emitter, boxes: str, pixel: int) -> str:
    """The areas of (rows, n, 4), (rows, n). What they are where a box is turned around does not matter: it meets none."""
    low, high = e.split(boxes, [2, 2], 2)
    width, height = e.split(e.op("Sub", high, low), [1, 1], 2)
    return str(e.op("Squeeze", _area(e, width, height, pixel), e.ints([2], "axes")))


def _area(e: Emitter, width: str, height: str, pixel: int) -> str:
    if pixel:
        one = e.constant(1.0, "one")
        width, height = e.op("Add", width, one), e.op("Add", height, one)
    return str(e.op("Mul", width, height))


def places_of(e: Emitter, kept: str) -> str:
    """Where a matrix of bool is true: (kept, 2) of int64, row by row."""
    return str(e.op("Transpose", e.op("NonZero", kept), perm=[1, 0]))


def first_of_row(e: Emitter, kept: str, most: int) -> str:
    """A matrix of bool with at most the first ``most`` of each row left."""
    rank = e.op("CumSum", e.op("Cast", kept, to=FLOAT), e.constant(1, "axis", np.int64))
    return str(e.op("And", kept, e.op("LessOrEqual", rank, e.constant(float(most), "most"))))
