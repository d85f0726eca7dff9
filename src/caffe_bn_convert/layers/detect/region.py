"""YOLO 2 of other forks: caffe-yolov2's DetectionOutput, and OpenVINO's RegionYolo, which draws no boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.detect.greedy import just_below, suppressed
from caffe_bn_convert.layers.detect.yolo import YoloHead, anchors_of, best_class, corners, listed, threshold_of
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Shape, fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class RegionOutput(YoloHead):
    """DetectionOutput of caffe-yolov2 (its detection_output_layer.cpp): rows (0, class, score, x, y, width, height).

    It does not sort: a box drops those behind it in the order of the cells that it overlaps by ``threshold`` or more, be
    their scores as they may. The overlap is that of the boxes cut off at the picture's edge; the rows have the whole.
    Classes count from 0, x and y are the centre.

    Attributes:
        side: of the map, in cells.
    """

    BOTTOMS = (1, 1)

    side: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``."""
        p = source.detection_output_param
        only(
            p,
            (
                "side",
                "num_classes",
                "num_box",
                "coords",
                "confidence_threshold",
                "nms_threshold",
                "biases",
                "label_map_file",
            ),
        )
        require(p.num_classes > 0, "detection_output_param needs num_classes")
        require(p.coords == 4, "coords must be 4")
        require(0 < p.num_box <= len(p.biases) // 2, f"{p.num_box} boxes need {2 * p.num_box} biases")
        least = just_below(p.confidence_threshold if p.HasField("confidence_threshold") else 0.01)
        anchors = anchors_of(p.biases)[: p.num_box]
        threshold = threshold_of(p.nms_threshold)
        return cls(source.definition.name, p.num_classes, (anchors,), (1.0,), least, threshold, p.side)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("caffe-yolov2's DetectionOutput", "by its single bottom")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 1, rows, 7)."""
        top = YoloHead.shapes(self, bottoms)
        batch, _, height, _ = fixed(bottoms[0])
        require(height == self.side, f"side is {self.side}, but the map's is {height}")
        require(batch == 1, f"it takes one image, not {batch}")
        return top

    def _rows(self, e: Emitter, x: Sequence[Tensor]) -> str:
        centre, extent, (objectness, classes) = self._cells(e, x[0], 0)
        score, label = best_class(e, objectness, classes)
        inside = e.op("Clip", corners(e, centre, extent), e.constant(0.0, "zero"), e.constant(1.0, "one"))
        places = self._places(x)
        # What is likely enough is ranked by its place.
        rank = e.constant(np.arange(places, 0, -1), "rank")
        rank = e.op("Where", e.op("Greater", score, e.constant(self.least, "least")), rank, e.constant(0.0, "zero"))
        kept = suppressed(
            e, e.op("Unsqueeze", inside, e.ints([0], "axes")), e.op("Unsqueeze", rank, e.ints([0, 1], "axes")),
            just_below(self.threshold), 0.0, places,
        )  # fmt: skip
        whole = e.op("Concat", centre, extent, axis=1)
        return listed(e, *(e.op("Gather", value, kept, axis=0) for value in (whole, score, label)))


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
