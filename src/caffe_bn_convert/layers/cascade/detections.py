"""FrcnnOutput of Cascade R-CNN (frcnn_output_layer.cpp): the detections of the last stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from caffe_bn_convert.export.elem_types import BOOL, FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.cascade.regression import Normalisation, around_priors, numbers_a_row
from caffe_bn_convert.layers.cascade.suppress import Suppression, areas_of, places_of
from caffe_bn_convert.net.dim import Symbol, fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class FrcnnOutput(Layer):
    """Rows (0, x1, y1, x2, y2, label, score), by label and falling score, behind a first row (0, -1, …, -1).

    Bottoms: (regions, classes) probabilities, (regions, 4 · classes) boxes, or 8 where all classes share one,
    the regions, and the picture's height and width. What ``save_output_param`` writes to files is left out.

    Attributes:
        name: the layer's; the number of rows is known at run time only, and is a symbol of this name.
        least: scores below this do not count.
        most: at most so many detections, the best of all classes; 0 for all.
        suppression: which boxes a better one of its class drops.
        by_class: whether every class has a box of its own.
        normalisation: of what the net predicts.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (4, 4)
    RESTRICTIONS = (
        "one image; nothing is written to files; which of equal scores comes first is undefined in Caffe, "
        "here it is the first"
    )

    name: str
    least: float
    most: int
    suppression: Suppression
    by_class: bool
    normalisation: Normalisation

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``frcnn_output_param`` and ``bbox_reg_param``."""
        p, reg = source.frcnn_output_param, source.bbox_reg_param
        return cls(
            source.definition.name,
            p.conf_thr,
            p.max_det_num,
            Suppression.read(p, 1),
            reg.cls_aware,
            Normalisation.read(reg),
        )

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(rows, 7, 1, 1)."""
        likely, boxes, regions, picture = bottoms
        same = likely[0] == boxes[0] == regions[0]
        require(same, f"its bottoms {show(likely)}, {show(boxes)} and {show(regions)} differ in the number of regions")
        classes, wide = numbers_a_row(likely), 4 * numbers_a_row(likely) if self.by_class else 8
        require(classes > 1, "it needs a class besides the background")
        require(
            numbers_a_row(boxes) == wide,
            f"it takes {wide} numbers of boxes a region, its second bottom is {show(boxes)}",
        )
        require(numbers_a_row(regions) in (5, 6), f"regions are rows of 5 or 6, its third bottom is {show(regions)}")
        require(
            picture[0] == 1 and volume(picture) == 2, f"height and width are 1x2, its fourth bottom is {show(picture)}"
        )
        return ((Symbol.named(f"{self.name}_rows"), 7, 1, 1),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Exp and arithmetic, TopK, and a Loop over the regions."""
        boxes, scores = self._boxes(e, x), self._scores(e, x[0])
        # The suppression goes through each class from its best box on.
        scores, order = e.op("TopK", scores, e.slice(e.op("Shape", scores), [1], [2], [0]), outputs=2, axis=1)
        order = e.op("Expand", e.op("Unsqueeze", order, e.ints([2], "axes")), e.ints([1, 1, 4], "corners"))
        if not self.by_class:
            classes = e.ints([fixed(x[0].shape[1:2])[0] - 1, 1, 1], "classes")
            boxes = e.op("Expand", boxes, classes)
        boxes = e.op("GatherElements", boxes, order, axis=1)
        kept = self.suppression.by_loop(e, boxes, areas_of(e, boxes, 1), scores)
        if self.most:
            kept = _best(e, kept, scores, self.most)
        return [self._listed(e, boxes, scores, kept)]

    def _boxes(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """(foreground classes or 1, regions, 4) corners within the picture."""
        count, boxes = x[0].shape[0], fixed(x[1].shape[1:2])[0] // 4
        predicted = e.reshape(x[1].name, x[1].shape, (count, boxes, 4))
        predicted = e.slice(predicted, [1], [boxes], [1])
        regions = e.reshape(x[2].name, x[2].shape, (count, fixed(x[2].shape[1:2])[0]))
        priors = e.op("Unsqueeze", e.slice(regions, [1], [5], [1]), e.ints([1], "axes"))
        corners = around_priors(e, self.normalisation.undo(e, predicted, (1, 1, 4)), priors)
        near, far = e.split(e.op("Transpose", corners, perm=[1, 0, 2]), [2, 2], 2)
        picture = e.reshape(x[3].name, x[3].shape, (2,))
        size = e.op("Gather", picture, e.ints([1, 0], "width_height"), axis=0)
        return str(e.op("Concat", e.op("Max", near, e.constant(0.0, "zero")), e.op("Min", far, size), axis=2))

    def _scores(self, e: Emitter, likely: Tensor) -> str:
        """(foreground classes, regions), -inf where they are too low."""
        classes = fixed(likely.shape[1:2])[0]
        rows = e.reshape(likely.name, likely.shape, (likely.shape[0], classes))
        scores = e.op("Transpose", e.slice(rows, [1], [classes], [1]), perm=[1, 0])
        enough = e.op("GreaterOrEqual", scores, e.constant(self.least, "conf_thr"))
        return str(e.op("Where", enough, scores, e.constant(-np.inf, "no_score")))

    def _listed(self, e: Emitter, boxes: str, scores: str, kept: str) -> str:
        """The rows; a filler in front makes sure that there is one to gather, and becomes the first row."""
        places = e.op("Concat", e.constant([[0, 0]], "filler", np.int64), places_of(e, kept), axis=0)
        label = e.op("Add", e.op("Cast", e.slice(places, [0], [1], [1]), to=FLOAT), e.constant(1.0, "one"))
        score = e.op("Unsqueeze", e.op("GatherND", scores, places), e.ints([1], "axes"))
        rows = e.op("Concat", e.op("Sub", label, label), e.op("GatherND", boxes, places), label, score, axis=1)
        first = e.constant([[0.0, *(-1.0,) * 6]], "first_row")
        rows = e.op("Concat", first, e.slice(rows, [1], [2**31 - 1], [0]), axis=0)
        return str(e.op("Unsqueeze", rows, e.ints([2, 3], "axes")))


def _best(e: Emitter, kept: str, scores: str, most: int) -> str:
    """Of all classes together the ``most`` with the best scores."""
    flat = e.op("Reshape", e.op("Where", kept, scores, e.constant(-np.inf, "no_score")), e.ints([-1], "shape"))
    size = e.op("Shape", flat)
    order = e.op("TopK", flat, e.op("Min", size, e.ints([most], "max_det_num")), outputs=2, axis=0)[1]
    nothing = e.op("ConstantOfShape", size, value=np.zeros(1, np.float32))
    marks = e.op("ConstantOfShape", e.op("Shape", order), value=np.ones(1, np.float32))
    chosen = e.op("Cast", e.op("ScatterElements", nothing, order, marks, axis=0), to=BOOL)
    return str(e.op("And", kept, e.op("Reshape", chosen, e.op("Shape", kept))))
