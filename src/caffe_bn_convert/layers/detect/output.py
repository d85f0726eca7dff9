"""DetectionOutput of SSD (detection_output_layer.cpp) in standard operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.detect.decode import decode
from caffe_bn_convert.layers.detect.suppress import LOWEST, Suppression
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Symbol, fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

FIELDS = (
    "num_classes", "share_location", "background_label_id", "nms_param", "code_type", "keep_top_k",
    "variance_encoded_in_target", "confidence_threshold",
    "save_output_param", "visualize", "visualize_threshold", "save_file",
)  # fmt: skip
RATIOS = tuple(f"ratio{i}" for i in range(6))
PARTS = ("nbottom", "no_permute", "ratio_permute", *RATIOS)
"""The fields of synopsys-caffe that tell how its bottoms are parted; it reads none of them where there are fewer than nbottom."""
_HINT = (
    "{} numbers a box are TextBoxes++'s: write use_polygon: {} in detection_output_param, or give "
    "--dialect DetectionOutput={}"
)
OTHER_NUMBERS = {
    12: _HINT.format(12, "true", "textboxes++"),
    9: _HINT.format(9, "false", "textboxes++-slanted"),
}
"""What to do about first bottoms with more numbers a box than SSD's 4."""
TWO_A_PLACE = (
    "twice as many boxes as SSD's PriorBox makes are TextBoxes': write denser_prior_boxes: true in prior_box_param, or give "
    "--dialect PriorBox=textboxes++"
)


@dataclass(frozen=True, slots=True)
class DetectionOutput(Layer):
    """Rows (image, label, score, xmin, ymin, xmax, ymax), ordered by image, label and falling score.

    Only where no image has a detection there is a row (image, -1, …, -1) for each.

    ``NUMBERS`` is how many numbers a prior box has in the first bottom, ``WIDTH`` how many a row has.

    Attributes:
        name: the layer's; the number of rows is known at run time only, and is a symbol of this name.
        shared: whether the boxes are the same for all classes.
        background: the class that is no detection.
        keep: at most so many rows per image, of the best scores; below 0 all.
        objectness: with RefineDet's fourth bottom, prior boxes whose objectness is below this are background.
        refined: whether the bottoms behind the third are RefineDet's; None where their size must tell. A fourth bottom of
            SSD's is a picture to draw on, or a data layer's labels, and counts for nothing.
    """

    BOTTOMS = (3, 5)
    NUMBERS: ClassVar[int] = 4
    WIDTH: ClassVar[int] = 7
    KNOWN: ClassVar[tuple[str, ...]] = (*FIELDS, *PARTS)

    name: str
    classes: int
    shared: bool
    background: int
    code: str
    in_target: bool
    keep: int
    nms: Suppression
    objectness: float = 0.0
    refined: bool | None = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``."""
        p = source.detection_output_param
        only(p, (*cls.KNOWN, "objectness_score") if source.bottoms > 3 else cls.KNOWN)
        open_ = source.bottoms == 4 and not p.HasField("objectness_score")
        refined = source.bottoms > 3 if not open_ else False if p.visualize else None
        require(source.bottoms < 5 or p.share_location, "RefineDet's DetectionOutput has shared locations")
        return cls.of(source.definition.name, p, refined=refined)

    @classmethod
    def of(cls, name: str, p: Any, *, refined: bool | None) -> Self:
        """From ``detection_output_param``, once it is known whose it is."""
        nms = p.nms_param
        only(nms, ("nms_threshold", "top_k", "eta"))
        require(p.num_classes > 0, "detection_output_param needs num_classes")
        require(nms.nms_threshold >= 0, "nms_threshold must not be negative")
        require(0 < nms.eta <= 1, "eta must be above 0 and at most 1")
        least = p.confidence_threshold if p.HasField("confidence_threshold") else LOWEST
        top_k = nms.top_k if nms.HasField("top_k") else -1
        return cls(
            name, p.num_classes, p.share_location, cls.background_of(p), _code(p),
            p.variance_encoded_in_target, p.keep_top_k, Suppression(nms.nms_threshold, nms.eta, top_k, least),
            p.objectness_score, refined,
        )  # fmt: skip

    @staticmethod
    def background_of(p: Any) -> int:
        """The class that is no detection."""
        # Shared boxes have the label -1 inside Caffe, which then takes them for background's and has none.
        hidden = p.share_location and p.background_label_id == -1
        require(not hidden, "share_location cannot have background_label_id -1")
        return int(p.background_label_id)

    def _priors(self, bottoms: Shapes) -> int:
        """The number of prior boxes, after Caffe's checks of the sizes."""
        location, confidence, prior = bottoms[:3]
        priors = fixed((*prior, 1, 1, 1)[2:3])[0] // 4
        require(location[0] == confidence[0], "its first two bottoms have different batch sizes")
        per_image = [fixed((volume(shape[1:]),))[0] for shape in (location, confidence)]
        boxes = priors * (1 if self.shared else self.classes)
        wanted = [boxes * self.NUMBERS, priors * self.classes]
        told = f"{priors} prior boxes need {wanted} locations and confidences per image, not {per_image}"
        other = next((number for number in OTHER_NUMBERS if per_image[0] == number * boxes), 0)
        doubled = per_image == [2 * number for number in wanted]
        require(per_image == wanted, told, TWO_A_PLACE if doubled else OTHER_NUMBERS.get(other))
        if self._is_refined(bottoms):
            self._check_refined(bottoms, priors)
        return priors

    def _is_refined(self, bottoms: Shapes) -> bool:
        if self.refined is not None:
            return self.refined
        priors = fixed((*bottoms[2], 1, 1, 1)[2:3])[0] // 4
        return bottoms[3][0] == bottoms[0][0] and volume(bottoms[3][1:]) == 2 * priors

    def _check_refined(self, bottoms: Shapes, priors: int) -> None:
        whole = 0 <= self.background < self.classes
        require(whole, "with RefineDet's objectness there must be a background class")
        for shape, each, what in zip(bottoms[3:], (2, 4), ("objectness", "refinement"), strict=False):
            fits = shape[0] == bottoms[0][0] and volume(shape[1:]) == priors * each
            require(fits, f"the {what} must have {priors * each} numbers per image, it is {show(shape)}")

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001, where there is a fourth bottom."""
        if len(bottoms) > 3 and self._is_refined(bottoms):
            yield taken_for("RefineDet's DetectionOutput", "by its bottoms")
        elif len(bottoms) > 3:
            yield taken_for("SSD's DetectionOutput", "whose fourth bottom is only drawn on")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 1, rows, 7)."""
        self._priors(bottoms)
        return ((1, 1, Symbol.named(f"{self.name}_rows"), self.WIDTH),)

    def _labels(self) -> list[int]:
        return [label for label in range(self.classes) if label != self.background]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Decode, NonMaxSuppression (or a Loop for ``eta``), the best of each image, rows."""
        bottoms = tuple(t.shape for t in x)
        priors, labels = self._priors(bottoms), self._labels()
        x = x if self._is_refined(bottoms) else x[:3]
        if not labels:
            return [self._finish(e, e.constant(np.zeros((0, self.WIDTH)), "no_rows"), x[1])]
        boxes, scores = self._boxes(e, x, priors), self._scores(e, x, priors)
        found = self._suppressed(e, boxes, scores, priors)
        score = _with_last(e, e.op("GatherND", scores, found), e.constant([-np.inf], "no_score"))
        if -1 < self.keep < len(labels) * priors:
            found, score = _best_of_image(e, found, score, x[1], self.keep)
        image, label, prior = e.split(found, [1, 1, 1], 1)
        where = e.op("Concat", image, prior, axis=1) if self.shared else found
        names = e.op("Gather", e.constant(labels, "labels"), label, axis=0)
        columns = [e.op("Cast", image, to=FLOAT), names, e.op("Unsqueeze", score, e.ints([1], "axes"))]
        rows = e.op(
            "Concat",
            *columns,
            e.op("GatherND", self._drawn(e, x, priors, boxes), where),
            *self._behind(e, prior),
            axis=1,
        )
        return [self._finish(e, e.slice(rows, [0], [-1], [0]), x[1])]

    def _drawn(self, e: Emitter, x: Sequence[Tensor], priors: int, boxes: str) -> str:  # noqa: ARG002
        """What the rows tell of each box, from the box on."""
        return boxes

    def _behind(self, e: Emitter, prior: str) -> list[str]:  # noqa: ARG002
        """More columns behind the boxes, from the rows' priors."""
        return []

    def _boxes(self, e: Emitter, x: Sequence[Tensor], priors: int) -> str:
        """(images, priors, 4), or (images, foreground classes, priors, 4) where they are not shared."""
        images = x[0].shape[0]
        parts = e.split(e.reshape(x[2].name, x[2].shape, (2, priors, 4)), [1, 1], 0)
        variance = None if self.in_target else parts[1]
        first = parts[0]
        if len(x) == 5:
            first = decode(e, self.code, e.reshape(x[4].name, x[4].shape, (images, priors, 4)), first, variance)
        if self.shared:
            location = e.reshape(x[0].name, x[0].shape, (images, priors, self.NUMBERS))
            location = e.slice(location, [0], [4], [2]) if self.NUMBERS > 4 else location
            return decode(e, self.code, location, first, variance)
        location = e.reshape(x[0].name, x[0].shape, (images, priors, self.classes, 4))
        location = e.op("Transpose", self._foreground(e, location), perm=[0, 2, 1, 3])
        return decode(e, self.code, location, first, variance)

    def _scores(self, e: Emitter, x: Sequence[Tensor], priors: int) -> str:
        """(images, foreground classes, priors)."""
        images = x[1].shape[0]
        scores = self._foreground(e, e.reshape(x[1].name, x[1].shape, (images, priors, self.classes)))
        if len(x) > 3:
            objects = e.slice(e.reshape(x[3].name, x[3].shape, (images, priors, 2)), [1], [2], [2])
            unlikely = e.op("Less", objects, e.constant(self.objectness, "objectness_score"))
            # What is likely nothing is class 0, whatever class is the background.
            nothing = e.constant([float(label == 0) for label in self._labels()], "nothing")
            scores = e.op("Where", unlikely, nothing, scores)
        return str(e.op("Transpose", scores, perm=[0, 2, 1]))

    def _foreground(self, e: Emitter, value: str) -> str:
        labels = self._labels()
        if len(labels) == self.classes:
            return value
        return str(e.op("Gather", value, e.ints(labels, "foreground"), axis=2))

    def _suppressed(self, e: Emitter, boxes: str, scores: str, priors: int) -> str:
        """What is kept: (kept + 1, 3) of image, foreground class and prior; the last row is a filler."""
        if self.shared and not self.nms.adaptive:
            return _never_empty(e, self.nms.emit(e, boxes, scores, priors))
        # Classes with boxes or thresholds of their own are to the suppression what images are.
        count = len(self._labels())
        if self.shared:
            boxes = e.op("Unsqueeze", boxes, e.ints([1], "axes"))
            boxes = e.op("Expand", boxes, e.ints([1, count, 1, 1], "shape"))
        boxes = e.op("Reshape", boxes, e.ints([-1, priors, 4], "shape"))
        flat = e.op("Reshape", scores, e.ints([-1, 1, priors], "shape"))
        row, _, prior = e.split(_never_empty(e, self.nms.emit(e, boxes, flat, priors)), [1, 1, 1], 1)
        by = e.ints([count], "classes")
        return str(e.op("Concat", e.op("Div", row, by), e.op("Mod", row, by), prior, axis=1))

    def _finish(self, e: Emitter, rows: str, x: Tensor) -> str:
        """Rows for "nothing found" where there are none, and Caffe's two leading axes."""
        zero = e.ints([0], "zero")
        images = e.op("Cast", e.op("Transpose", _image_numbers(e, x), perm=[1, 0]), to=FLOAT)
        nothing = e.op("Pad", images, e.ints([0, 0, 0, self.WIDTH - 1], "pads"), e.constant(-1.0, "minus_one"))
        count = e.op("Gather", e.op("Shape", rows), zero, axis=0)
        end = e.op("Where", e.op("Equal", count, zero), e.size(x, 0), zero)
        rows = e.op("Concat", rows, e.op("Slice", nothing, zero, end, zero), axis=0)
        return str(e.op("Unsqueeze", rows, e.ints([0, 1], "axes")))


def _image_numbers(e: Emitter, x: Tensor) -> str:
    """0, 1, … for the images of ``x``, as (1, images) of int64."""
    ones = e.op("Expand", e.ints([1], "one"), e.op("Concat", e.ints([1], "one"), e.size(x, 0), axis=0))
    return str(e.op("CumSum", ones, e.constant(1, "axis", np.int64), exclusive=1))


def _never_empty(e: Emitter, found: str) -> str:
    """A filler behind the rows: OpenCV 5 dies of a division by zero in GatherND and others where there are none."""
    return str(e.op("Concat", found, e.constant([[0, 0, 0]], "filler", np.int64), axis=0))


def _with_last(e: Emitter, values: str, last: str) -> str:
    """The vector with its last element, the filler's, replaced."""
    return str(e.op("Concat", e.slice(values, [0], [-1], [0]), last, axis=0))


def _best_of_image(e: Emitter, found: str, score: str, x: Tensor, keep: int) -> tuple[str, str]:
    """Of every image the ``keep`` rows with the best scores, in the order that they had; and the filler."""
    order = e.op("TopK", score, e.op("Shape", score), outputs=2, axis=0)[1]
    image = e.op("Gather", e.slice(found, [0], [1], [1]), order, axis=0)
    same = e.op("Cast", e.op("Equal", image, _image_numbers(e, x)), to=INT64)
    before = e.op("CumSum", same, e.constant(0, "axis", np.int64), exclusive=1)
    rank = e.op("GatherElements", before, image, axis=1)
    # The ranks are in the order of the scores; scattered they are in that of the rows.
    rank = e.op("ScatterElements", order, order, e.op("Squeeze", rank, e.ints([1], "axes")), axis=0)
    rank = _with_last(e, rank, e.constant([-1], "always", np.int64))
    kept = e.op("Less", rank, e.constant(keep, "keep_top_k", np.int64))
    # Compress would say this in one node, but OpenCV 5 does not have it.
    rows = e.op("Squeeze", e.op("NonZero", kept), e.ints([0], "axes"))
    return e.op("Gather", found, rows, axis=0), e.op("Gather", score, rows, axis=0)


def _code(p: Any) -> str:
    names = {1: "CORNER", 2: "CENTER_SIZE", 3: "CORNER_SIZE"}
    return names[p.code_type]
