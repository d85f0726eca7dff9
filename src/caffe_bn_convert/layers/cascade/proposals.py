"""The best boxes of each image, as BoxOutput and BoxGroupOutput give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, require
from caffe_bn_convert.layers.cascade.suppress import Suppression, areas_of, first_of_row, places_of
from caffe_bn_convert.net.dim import Symbol
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.export.emitter import Emitter
    from caffe_bn_convert.layers.cascade.regression import Normalisation

F32 = np.float32
NO_BOX = (0.0, 1.0, 1.0, 10.0, 10.0)
"""What Caffe gives where no image has a box, so that the layers behind have one to work on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The parameters that both layers have.

    Attributes:
        least: scores below this do not count.
        suppression: which boxes a better one drops.
        bounds: the least and the greatest move of a centre and growth of a side, (x, y, w, h) each.
        before, after: at most so many boxes an image before and after the suppression; 0 for all.
        smallest: boxes with a side below this do not count.
        normalisation: of what the net predicts.
    """

    least: float
    suppression: Suppression
    bounds: tuple[tuple[float, ...], tuple[float, ...]]
    before: int
    after: int
    smallest: float
    normalisation: Normalisation

    @classmethod
    def read(cls, parameter: Any, normalisation: Normalisation, pixel: int) -> Rule:
        """Reads ``box_output_param`` or ``box_group_output_param``."""
        p = parameter
        require(p.field_xyr > 0 and p.field_whr > 0, "field_xyr and field_whr must be above 0")
        move = float(F32(1) / F32(p.field_xyr))
        shrink, growth = (float(F32(np.log(np.float64(v)))) for v in (F32(1) / F32(p.field_whr), p.field_whr))
        return cls(
            p.fg_thr, Suppression.read(p, pixel), ((-move, -move, shrink, shrink), (move, move, growth, growth)),
            p.max_nms_num, p.max_post_nms_num, p.min_size, normalisation,
        )  # fmt: skip

    def bounded(self, e: Emitter, predicted: str, shape: Sequence[int]) -> str:
        """What the net predicts, in the unit of a field and within the bounds; ``shape`` is how the four lie."""
        moves = self.normalisation.undo(e, predicted, shape)
        low, high = (e.constant(np.reshape(side, shape), "bounds") for side in self.bounds)
        return str(e.op("Min", e.op("Max", moves, low), high))

    def masked(self, e: Emitter, scores: str, sides: str, axis: int) -> str:
        """The scores (…, 1, …), -inf where the score or one of the two sides along ``axis`` is too small."""
        large = e.op("Cast", e.op("GreaterOrEqual", sides, e.constant(self.smallest, "min_size")), to=FLOAT)
        both = e.op("Greater", e.reduce("Min", large, [axis], keepdims=True), e.constant(0.0, "zero"))
        likely = e.op("GreaterOrEqual", scores, e.constant(self.least, "fg_thr"))
        return str(e.op("Where", e.op("And", both, likely), scores, e.constant(-np.inf, "no_score")))


def centres(e: Emitter, plane: tuple[int, int], stride: int) -> str:
    """The middle of each cell of a map in pixels, (2, height · width): x and y."""
    check_constant(2 * plane[0] * plane[1], "the centres of its cells")
    rows, columns = np.mgrid[: plane[0], : plane[1]].astype(F32) + F32(0.5)
    return e.constant(np.stack([columns, rows]).reshape(2, -1) * F32(stride), "centres")


@dataclass(frozen=True, slots=True)
class Proposals(Layer):
    """Rows (image, x1, y1, x2, y2) in pixels, by image and falling score, and as a second top with the score behind.

    Where no image has a box there is one all the same: (0, 1, 1, 10, 10), and as a second top a row of zeros.

    Attributes:
        name: the layer's; the number of rows is known at run time only, and is a symbol of this name.
        rule: how boxes are chosen.
        tops: how many.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, None)
    TOPS: ClassVar[tuple[int, int | None]] = (1, 2)

    name: str
    rule: Rule
    tops: int

    def rows(self) -> Shapes:
        """(rows, 5, 1, 1) and (rows, 6, 1, 1)."""
        count = Symbol.named(f"{self.name}_rows")
        return ((count, 5, 1, 1), (count, 6, 1, 1))[: self.tops]

    def chosen(self, e: Emitter, boxes: str, scores: str, count: int) -> list[str]:
        """The tops.

        Args:
            e: where the nodes go.
            boxes: (images, count, 4), corners.
            scores: (images, count), -inf for boxes that do not count. Of equal ones the first is the better one.
            count: the number of boxes of an image.
        """
        plain, most = self.rule.suppression.is_plain(self.rule.smallest), min(self.rule.before or count, count)
        if not plain or most < count:
            scores, order = e.op("TopK", scores, e.ints([most], "max_nms_num"), outputs=2, axis=1)
            order = e.op("Expand", e.op("Unsqueeze", order, e.ints([2], "axes")), e.ints([1, 1, 4], "corners"))
            boxes = e.op("GatherElements", boxes, order, axis=1)
        after = self.rule.after or most
        if plain:
            places = self.rule.suppression.by_operator(e, boxes, scores, after)
        else:
            areas = areas_of(e, boxes, self.rule.suppression.pixel)
            kept = self.rule.suppression.by_loop(e, boxes, areas, scores)
            places = places_of(e, first_of_row(e, kept, after) if after < most else kept)
        return self._listed(e, boxes, scores, places)

    def _listed(self, e: Emitter, boxes: str, scores: str, places: str) -> list[str]:
        """The rows of the boxes at ``places``. A filler behind them makes sure that there is one to gather."""
        zero, one = e.ints([0], "zero"), e.ints([1], "one")
        end = e.op("Max", e.op("Slice", e.op("Shape", places), zero, one, zero), one)
        places = e.op("Concat", places, e.constant([[0, 0]], "filler", np.int64), axis=0)
        image = e.op("Cast", e.slice(places, [0], [1], [1]), to=FLOAT)
        score = e.op("Unsqueeze", e.op("GatherND", scores, places), one)
        found = e.op("Concat", image, e.op("GatherND", boxes, places), score, axis=1)
        tops = []
        for width, nothing in ((5, NO_BOX), (6, (0.0,) * 6))[: self.tops]:
            some = e.slice(found, [0, 0], [-1, width], [0, 1])
            rows = e.op("Concat", some, e.constant([nothing], "no_box"), axis=0)
            tops.append(e.op("Unsqueeze", e.op("Slice", rows, zero, end, zero), e.ints([2, 3], "axes")))
        return tops
