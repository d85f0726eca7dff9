"""The heads of MobileNet-YOLO's forks: YoloDetectionOutput and Yolov3DetectionOutput."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import BOOL, FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.detect.greedy import just_below, suppressed
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Symbol, fixed, volume
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

F32 = np.float32


@dataclass(frozen=True, slots=True)
class YoloHead(Layer):
    """What both heads share: rows (0, label, score, xmin, ymin, xmax, ymax), best first, labels from 1 on.

    The boxes of all maps, classes and images are one list, and a box drops every lesser one that it overlaps by
    ``threshold`` or more, whatever their classes. Only where there is none there is a row (image, -1, …) for each image.

    Attributes:
        name: the layer's; the number of rows is known at run time only, and is a symbol of this name.
        classes: how many.
        anchors: for each bottom width and height of every box, in the unit of ``units``.
        units: for each bottom what a cell is in that unit.
        least: scores must be above it.
        threshold: how much is too much of an overlap.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, None)
    RESTRICTIONS = "fixed sizes; maps must be square"

    name: str
    classes: int
    anchors: tuple[tuple[tuple[float, float], ...], ...]
    units: tuple[float, ...]
    least: float
    threshold: float

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 1, rows, 7)."""
        require(len(bottoms) <= len(self.anchors), f"there are boxes for {len(self.anchors)} bottoms only")
        for shape, anchors in zip(bottoms, self.anchors, strict=False):
            n, channels, height, width = fixed(shape if len(shape) == 4 else (*shape, 1, 1, 1, 1)[:4])
            wanted = len(anchors) * (5 + self.classes)
            require(channels == wanted, f"{len(anchors)} boxes of {self.classes} classes need {wanted} channels")
            require(height == width, f"its maps must be square, not {height}x{width}")
            require(n == bottoms[0][0], "its bottoms have different batch sizes")
        return ((1, 1, Symbol.named(f"{self.name}_rows"), 7),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Sigmoid and Exp, then one NonMaxSuppression over everything."""
        return [self._or_nothing(e, self._rows(e, x), fixed(x[0].shape[:1])[0])]

    def _rows(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """What is found: (rows, 7)."""
        raise NotImplementedError

    def _places(self, x: Sequence[Tensor]) -> int:
        """How many boxes the bottoms predict."""
        return sum(int(volume(t.shape)) // (5 + self.classes) for t in x)

    def _cells(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, list[str]]:
        """Centre and size of each box, (places, 2), and what else is there: objectness and classes, (places, …)."""
        n, _, side, _ = fixed(x.shape)
        anchors = self.anchors[index]
        check_constant(side * side * len(anchors) * 2, "the corners of its cells")
        split = e.op("Reshape", x.name, e.ints([n, len(anchors), 5 + self.classes, side, side], "shape"))
        # Places in the order of Caffe's loops: image, row, column, box.
        places = e.op("Transpose", split, perm=[0, 3, 4, 1, 2])
        offset, size, rest = e.split(places, [2, 2, 1 + self.classes], 4)
        rows, columns = np.mgrid[:side, :side]
        corner = np.stack([columns, rows], -1)[None, :, :, None]
        centre = e.op("Div", e.op("Add", e.op("Sigmoid", offset), e.constant(corner, "cells")), _number(e, side))
        sides = np.array(anchors, np.float64).astype(F32)
        extent = e.op("Mul", e.op("Exp", size), e.constant(sides, "anchors"))
        extent = e.op("Div", extent, _number(e, side * self.units[index]))
        flat = e.op("Reshape", rest, e.ints([-1, 1 + self.classes], "shape"))
        centre, extent = (e.op("Reshape", value, e.ints([-1, 2], "shape")) for value in (centre, extent))
        return centre, extent, e.split(flat, [1, self.classes], 1)

    def _or_nothing(self, e: Emitter, rows: str, images: int) -> str:
        """Caffe's rows for "nothing found" where there are none, and two leading axes."""
        zero = e.ints([0], "zero")
        nothing = np.full((images, 7), -1, F32)
        nothing[:, 0] = np.arange(images)
        count = e.op("Slice", e.op("Shape", rows), zero, e.ints([1], "one"), zero)
        end = e.op("Where", e.op("Equal", count, zero), e.ints([images], "images"), zero)
        extra = e.op("Slice", e.constant(nothing, "nothing"), zero, end, zero)
        return str(e.op("Unsqueeze", e.op("Concat", rows, extra, axis=0), e.ints([0, 1], "axes")))


def _number(e: Emitter, value: float) -> str:
    return e.constant(float(value), "by")


def _joined(e: Emitter, maps: Sequence[tuple[str, ...]]) -> list[str]:
    """The values of all bottoms, one behind the other."""
    return [e.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0] for parts in zip(*maps, strict=True)]


def corners(e: Emitter, centre: str, extent: str) -> str:
    """Boxes as (places, 4): xmin, ymin, xmax, ymax."""
    half = e.op("Div", extent, _number(e, 2))
    return str(e.op("Concat", e.op("Sub", centre, half), e.op("Add", centre, half), axis=1))


def listed(e: Emitter, boxes: str, scores: str, labels: str) -> str:
    """Rows of the image 0 from (rows, 4), (rows,) and (rows,)."""
    score, label = (e.op("Unsqueeze", value, e.ints([1], "axes")) for value in (scores, labels))
    return str(e.op("Concat", e.op("Sub", score, score), label, score, boxes, axis=1))


def best_class(e: Emitter, objectness: str, classes: str) -> tuple[str, str]:
    """YOLO 2's score and class, from 0 on, of each place: (places,) each."""
    likely = e.op("Softmax", classes, axis=1)
    best = e.reduce("Max", likely, [1], keepdims=True)
    score = e.op("Squeeze", e.op("Mul", e.op("Sigmoid", objectness), best), e.ints([1], "axes"))
    return score, e.op("Cast", e.op("ArgMax", likely, axis=1, keepdims=0), to=FLOAT)


def threshold_of(value: float) -> float:
    """An ``nms_threshold``.

    Raises:
        UnsupportedError: it is not above 0.
    """
    if not value > 0:
        raise UnsupportedError(f"nms_threshold {value:g} leaves one box only; it must be above 0")
    return value


@dataclass(frozen=True, slots=True)
class YoloDetectionOutput(YoloHead):
    """YOLO 2: the best class of every box, softmax times objectness (yolo_detection_output_layer.cpp)."""

    BOTTOMS = (1, 2)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``yolo_detection_output_param``; the second bottom has the boxes of the first."""
        p = source.yolo_detection_output_param
        fields = ("side", "num_classes", "num_box", "coords", "confidence_threshold", "nms_threshold", "biases")
        only(p, (*fields, "label_map_file"))
        require(p.HasField("num_classes") and p.num_classes > 0, "yolo_detection_output_param needs num_classes")
        require(p.coords == 4, "coords must be 4")
        require(0 < p.num_box <= len(p.biases) // 2, f"{p.num_box} boxes need {2 * p.num_box} biases")
        anchors = anchors_of(p.biases)[: p.num_box]
        least = just_below(p.confidence_threshold)
        name = source.definition.name
        threshold = threshold_of(p.nms_threshold)
        return cls(name, p.num_classes, (anchors,) * source.bottoms, (1.0,) * source.bottoms, least, threshold)

    def _rows(self, e: Emitter, x: Sequence[Tensor]) -> str:
        boxes, scores, labels = _joined(e, [self._map(e, t, i) for i, t in enumerate(x)])
        kept = suppressed(
            e, e.op("Unsqueeze", boxes, e.ints([0], "axes")), e.op("Unsqueeze", scores, e.ints([0, 1], "axes")),
            just_below(self.threshold), self.least, self._places(x),
        )  # fmt: skip
        return listed(e, *(e.op("Gather", value, kept, axis=0) for value in (boxes, scores, labels)))

    def _map(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, str]:
        """Boxes (places, 4), scores (places,) and labels (places,) of one bottom."""
        centre, extent, (objectness, classes) = self._cells(e, x, index)
        score, label = best_class(e, objectness, classes)
        return corners(e, centre, extent), score, e.op("Add", label, _number(e, 1))


@dataclass(frozen=True, slots=True)
class Yolov3DetectionOutput(YoloHead):
    """YOLO 3: every class of every box on its own (yolov3_detection_output_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``yolov3_detection_output_param``; ``mask`` names the biases of each bottom in turn."""
        p = source.yolov3_detection_output_param
        fields = ("num_classes", "num_box", "confidence_threshold", "nms_threshold", "biases", "anchors_scale",
                  "mask_group_num", "mask", "num_boxes", "masks")  # fmt: skip
        only(p, fields)
        if p.masks or p.HasField("num_boxes"):
            raise UnsupportedError(
                "masks and num_boxes are OpenVINO's dialect, which leaves out the suppression's rule"
            )
        require(p.HasField("num_classes") and p.num_classes > 0, "yolov3_detection_output_param needs num_classes")
        groups, biases, scales = p.mask_group_num, anchors_of(p.biases), tuple(float(s) for s in p.anchors_scale)
        require(groups == source.bottoms, f"mask_group_num is {groups}, but it has {source.bottoms} bottoms")
        require(len(scales) >= groups, "anchors_scale needs a number for each bottom")
        require(len(p.mask) >= groups * p.num_box, f"mask needs {groups * p.num_box} numbers")
        require(all(m < len(biases) for m in p.mask), "mask names biases that are not given")
        step = len(p.mask) // groups
        anchors = tuple(tuple(biases[p.mask[i * step + j]] for j in range(p.num_box)) for i in range(groups))
        name, least = source.definition.name, float(F32(p.confidence_threshold))
        return cls(name, p.num_classes, anchors, scales[:groups], least, threshold_of(p.nms_threshold))

    def _rows(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """A box drops its own other classes, if it overlaps itself; so one box a place is enough for the suppression.

        A box without a size, or with an endless one, overlaps nothing, not even itself: it stays with all its classes.
        """
        boxes, alone, scores = _joined(e, [self._map(e, t, i) for i, t in enumerate(x)])
        best = e.op("ArgMax", scores, axis=1, keepdims=1)
        label = e.constant(np.arange(self.classes)[None], "labels", np.int64)
        first = self._suppressed(e, boxes, alone, e.reduce("Max", scores, [1], keepdims=True), self._places(x))
        likely = e.op("Greater", scores, e.constant(self.least, "confidence_threshold"))
        kept = e.op("Or", e.op("And", first, e.op("Equal", best, label)), e.op("And", alone, likely))
        found = e.op("Transpose", e.op("NonZero", kept), perm=[1, 0])
        every = e.op("GatherND", scores, found)
        score, order = e.op("TopK", every, e.op("Shape", every), outputs=2, axis=0)
        place, number = (
            e.op("Squeeze", part, e.ints([1], "axes"))
            for part in e.split(e.op("Gather", found, order, axis=0), [1, 1], 1)
        )
        labels = e.op("Add", e.op("Cast", number, to=FLOAT), _number(e, 1))
        return listed(e, e.op("Gather", boxes, place, axis=0), score, labels)

    def _suppressed(self, e: Emitter, boxes: str, alone: str, score: str, places: int) -> str:
        """Which places are kept for their best class, (places, 1); those of ``alone`` do not take part."""
        score = e.op("Where", alone, e.constant(-np.inf, "nothing"), score)
        kept = suppressed(
            e, e.op("Unsqueeze", boxes, e.ints([0], "axes")),
            e.op("Unsqueeze", e.op("Transpose", score, perm=[1, 0]), e.ints([0], "axes")),
            just_below(self.threshold), self.least, places,
        )  # fmt: skip
        nothing = e.op("ConstantOfShape", e.ints([places], "places"), value=np.zeros(1, F32))
        one = e.op("ConstantOfShape", e.op("Shape", kept), value=np.ones(1, F32))
        marks = e.op("Cast", e.op("ScatterElements", nothing, kept, one, axis=0), to=BOOL)
        return str(e.op("Unsqueeze", marks, e.ints([1], "axes")))

    def _map(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, str]:
        """Boxes (places, 4), whether they overlap not even themselves (places, 1), and scores (places, classes)."""
        centre, extent, (objectness, classes) = self._cells(e, x, index)
        boxes = corners(e, centre, extent)
        low, high = e.split(boxes, [2, 2], 1)
        common, area = (_product(e, sides) for sides in (e.op("Sub", high, low), extent))
        itself = e.op("Div", common, e.op("Sub", e.op("Add", area, area), common))
        alone = e.op("Not", e.op("Greater", itself, e.constant(just_below(self.threshold), "nms_threshold")))
        return boxes, alone, e.op("Mul", e.op("Sigmoid", classes), e.op("Sigmoid", objectness))


def _product(e: Emitter, sides: str) -> str:
    """Width times height, (places, 1)."""
    return str(e.op("Mul", *e.split(sides, [1, 1], 1)))


def anchors_of(values: Any) -> tuple[tuple[float, float], ...]:
    """``biases``: width and height of each box."""
    require(all(value >= 0 for value in values), "biases are widths and heights, none may be negative")
    return tuple(zip(values[::2], values[1::2], strict=False))
