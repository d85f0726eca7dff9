"""YOLO's heads: YoloDetectionOutput, Yolov3DetectionOutput (MobileNet-YOLO's forks), RegionYolo (OpenVINO's)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.detect.greedy import just_below, suppressed
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Shape, Symbol, fixed, show, volume
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
        parts = [self._map(e, t, i) for i, t in enumerate(x)]
        boxes, scores, labels = (
            e.op("Concat", *(part[i] for part in parts), axis=0) if len(parts) > 1 else parts[0][i] for i in range(3)
        )
        count = sum(int(volume(t.shape)) for t in x)
        kept = suppressed(
            e, e.op("Unsqueeze", boxes, e.ints([0], "axes")), e.op("Unsqueeze", scores, e.ints([0, 1], "axes")),
            just_below(self.threshold), self.least, count,
        )  # fmt: skip
        score, label = (
            e.op("Unsqueeze", e.op("Gather", value, kept, axis=0), e.ints([1], "axes")) for value in (scores, labels)
        )
        rows = e.op("Concat", e.op("Sub", score, score), label, score, e.op("Gather", boxes, kept, axis=0), axis=1)
        return [self._or_nothing(e, rows, fixed(x[0].shape[:1])[0])]

    def _cells(self, e: Emitter, x: Tensor, index: int) -> tuple[str, list[str]]:
        """The boxes, (places, 4), and what else is in each place: objectness and classes, (places, 1 + classes)."""
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
        half = e.op("Div", e.op("Div", extent, _number(e, side * self.units[index])), _number(e, 2))
        boxes = e.op("Concat", e.op("Sub", centre, half), e.op("Add", centre, half), axis=4)
        flat = e.op("Reshape", rest, e.ints([-1, 1 + self.classes], "shape"))
        return e.op("Reshape", boxes, e.ints([-1, 4], "shape")), e.split(flat, [1, self.classes], 1)

    def _map(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, str]:
        """Boxes (n, 4), scores (n,) and labels (n,) of one bottom."""
        raise NotImplementedError

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
        anchors = _pairs(p.biases)[: p.num_box]
        least = just_below(p.confidence_threshold)
        name = source.definition.name
        return cls(name, p.num_classes, (anchors,) * source.bottoms, (1.0,) * source.bottoms, least, p.nms_threshold)

    def _map(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, str]:
        boxes, (objectness, classes) = self._cells(e, x, index)
        likely = e.op("Softmax", classes, axis=1)
        best = e.reduce("Max", likely, [1], keepdims=True)
        score = e.op("Squeeze", e.op("Mul", e.op("Sigmoid", objectness), best), e.ints([1], "axes"))
        label = e.op("Cast", e.op("ArgMax", likely, axis=1, keepdims=0), to=1)
        return boxes, score, e.op("Add", label, _number(e, 1))


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
        groups, biases, scales = p.mask_group_num, _pairs(p.biases), tuple(float(s) for s in p.anchors_scale)
        require(groups == source.bottoms, f"mask_group_num is {groups}, but it has {source.bottoms} bottoms")
        require(len(scales) >= groups, "anchors_scale needs a number for each bottom")
        require(len(p.mask) >= groups * p.num_box, f"mask needs {groups * p.num_box} numbers")
        require(all(m < len(biases) for m in p.mask), "mask names biases that are not given")
        step = len(p.mask) // groups
        anchors = tuple(tuple(biases[p.mask[i * step + j]] for j in range(p.num_box)) for i in range(groups))
        name, least = source.definition.name, float(F32(p.confidence_threshold))
        return cls(name, p.num_classes, anchors, scales[:groups], least, p.nms_threshold)

    def _map(self, e: Emitter, x: Tensor, index: int) -> tuple[str, str, str]:
        boxes, (objectness, classes) = self._cells(e, x, index)
        count = int(volume(x.shape)) // (5 + self.classes)
        check_constant(count * self.classes, "its labels")
        score = e.op("Mul", e.op("Sigmoid", classes), e.op("Sigmoid", objectness))
        labels = e.constant(np.tile(np.arange(1, self.classes + 1), count), "labels")
        wide = e.op("Expand", e.op("Unsqueeze", boxes, e.ints([1], "axes")), e.ints([1, self.classes, 1], "shape"))
        flat = e.op("Reshape", wide, e.ints([-1, 4], "shape"))
        return flat, e.op("Reshape", score, e.ints([-1], "shape")), labels


def _pairs(values: Any) -> tuple[tuple[float, float], ...]:
    return tuple(zip(values[::2], values[1::2], strict=False))


@dataclass(frozen=True, slots=True)
class RegionYolo(Layer):
    """Sigmoid of x, y and objectness, softmax over the classes, then flattened (region_yolo_layer.cpp).

    Attributes:
        coords, classes: the parts of a box, besides its objectness.
        boxes: how many there are in a cell.
        axes: the first and the last axis that are flattened.
    """

    RESTRICTIONS = "4-D; do_softmax: true"

    coords: int
    classes: int
    boxes: int
    axes: tuple[int, int]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``region_yolo_param`` and ``flatten_param``; anchors and mask are for who draws the boxes."""
        p, flat = source.region_yolo_param, source.flatten_param
        only(p, ("coords", "classes", "num", "anchors", "mask"))
        only(flat, ())
        require(p.coords >= 2 and p.num > 0 and p.classes > 0, "coords, num and classes must be above 0")
        return cls(p.coords, p.classes, p.num, (flat.axis, flat.end_axis))

    def _flat(self, x: Shape) -> tuple[int, int]:
        start, end = (canonical_axis(axis, len(x)) for axis in self.axes)
        require(start <= end, f"axis {self.axes[0]} lies behind end_axis {self.axes[1]}")
        return start, end + 1

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with one axis in place of some."""
        x = bottoms[0]
        wanted = self.boxes * (self.coords + self.classes + 1)
        fits = len(x) == 4 and x[1] == wanted
        require(fits, f"its bottom must have 4 axes and {wanted} channels, it is {show(x)}")
        start, end = self._flat(x)
        return ((*x[:start], volume(x[start:end]), *x[end:]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Split, Sigmoid, Softmax, Concat."""
        shape = x[0].shape
        each = (shape[0], self.boxes, self.coords + self.classes + 1, *shape[2:])
        value = e.reshape(x[0].name, shape, each)
        place, size, objectness, classes = _apart(e, value, [2, self.coords - 2, 1, self.classes])
        parts = [e.op("Sigmoid", place), size, e.op("Sigmoid", objectness), e.op("Softmax", classes, axis=2)]
        joined = e.op("Concat", *(part for part in parts if part), axis=2)
        return [e.reshape(e.reshape(joined, each, shape), shape, self.shapes((shape,))[0])]


def _apart(e: Emitter, value: str, sizes: list[int]) -> list[str]:
    """Parts of these sizes along axis 2, ``""`` where a size is 0."""
    found = iter(e.split(value, [size for size in sizes if size], 2))
    return [next(found) if size else "" for size in sizes]
