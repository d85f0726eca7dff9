"""Where maps are highest, in OpenPose's fork (caffe_rtpose): Nms of both its ages, and Maximum of one bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import fixed, show
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class Nms(Layer):
    """Two layers of one name: the peaks of the maps of all parts, and an older one, those of a single map.

    Attributes:
        parts: the later one; None where the fields are the older one's.
        single: the older one; None where the fields are the later one's.
    """

    RESTRICTIONS = (
        "fixed sizes; one image, or the older layer's single map; places without a peak hold 0 (in Caffe what the run "
        "before left there)"
    )

    parts: PartPeaks | None
    single: MapPeaks | None

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``nms_param``; what its fields leave open the bottom tells."""
        p = source.nms_param
        only(p, ("threshold", "max_peaks", "num_parts", "num_peak"))
        later = p.HasField("max_peaks") or p.HasField("num_parts")
        older = p.HasField("num_peak")
        require(not (later and older), "num_peak is of an older layer than max_peaks and num_parts")
        return cls(None if older else PartPeaks.read(source), None if later else MapPeaks.read(source))

    def _taken(self, x: Shapes) -> PartPeaks | MapPeaks:
        # The later one reads beyond a bottom that has fewer maps than its 15 parts.
        one = len(x[0]) == 4 and x[0][1] == 1
        if self.single is not None and (one or self.parts is None):
            return self.single
        assert self.parts is not None
        return self.parts

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Theirs."""
        return self._taken(bottoms).shapes(bottoms)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001 for the older one."""
        if self._taken(bottoms) is self.single:
            yield taken_for("OpenPose's older Nms", "by its single map" if self.parts else "by num_peak")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """As either of them."""
        return self._taken((x[0].shape,)).emit(e, x, w)


@dataclass(frozen=True, slots=True)
class PartPeaks(Layer):
    """Peaks of the maps of all parts: how many, then (x, y, score) of the first of them, row by row (nms_layer.cu).

    A peak is above the threshold and above all its eight neighbours; its place is the centre of mass of the positive
    values within three cells.

    Attributes:
        threshold: how high a peak must be.
        most: how many of a map there is room for.
        parts: of how many maps.
    """

    threshold: float
    most: int
    parts: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``nms_param``."""
        p = source.nms_param
        only(p, ("threshold", "max_peaks", "num_parts"))
        require(p.max_peaks > 0 and p.num_parts > 0, "max_peaks and num_parts must be above 0")
        return cls(p.threshold, p.max_peaks, p.num_parts)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, num_parts, max_peaks + 1, 3)."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        n, channels, height, width = fixed(x)
        require(n == 1 and channels >= self.parts, f"it takes one image of {self.parts} maps or more, not {show(x)}")
        require(height > 2 and width > 2 and height * width < 2**24, f"maps of {height}x{width} are not possible")
        return ((1, self.parts, self.most + 1, 3),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Max over shifted maps, TopK for the first peaks, Gather for their surroundings."""
        _, channels, height, width = fixed(x[0].shape)
        check_constant(self.parts * self.most * 49, "the surroundings of its peaks")
        check_constant(height * width, "the numbers of its cells")
        maps = e.op("Reshape", x[0].name, e.ints([channels, height, width], "shape"))
        place, found, count = self._first(e, maps, height, width)
        memory = e.op("Reshape", maps, e.ints([-1], "shape"))
        parts = np.arange(self.parts)[:, None] * height * width
        score = e.op("Gather", memory, e.op("Add", place, e.constant(parts, "maps", np.int64)), axis=0)
        across, down = self._centres(e, memory, place, (height, width), channels * height * width)
        values = [e.op("Unsqueeze", value, e.ints([2], "axes")) for value in (across, down, score)]
        peaks = e.op("Concat", *values, axis=2)
        mask = e.op("Unsqueeze", found, e.ints([2], "axes"))
        peaks = e.op("Where", mask, peaks, e.constant(0.0, "zero"))
        head = e.op("Pad", count, e.ints([0, 0, 0, 0, 0, 2], "pads"))
        peaks = e.op("Concat", head, peaks, axis=1)
        return [e.op("Unsqueeze", peaks, e.ints([0], "axes"))]

    def _first(self, e: Emitter, maps: str, height: int, width: int) -> tuple[str, str, str]:
        """The cells of the first peaks of each map, whether there are so many, and how many there are.

        Returns:
            (parts, most) of int64 and of bool; (parts, 1, 1) of float.
        """
        own = e.slice(maps, [0], [self.parts], [0])
        windows = {
            (dy, dx): e.slice(own, [1 + dy, 1 + dx], [height - 1 + dy, width - 1 + dx], [1, 2])
            for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        }  # fmt: skip
        inner = windows.pop((0, 0))
        higher = e.op("Greater", inner, e.op("Max", *windows.values()))
        peak = e.op("And", higher, e.op("Greater", inner, e.constant(self.threshold, "threshold")))
        cells = np.arange(height * width).reshape(height, width)[1:-1, 1:-1]
        # The first peaks are those with the largest of falling numbers.
        rank = e.op("Mul", e.op("Cast", peak, to=FLOAT), e.constant(height * width - cells, "ranks"))
        flat = e.op("Reshape", rank, e.ints([self.parts, -1], "shape"))
        missing = max(0, self.most - cells.size)
        if missing:
            flat = e.op("Pad", flat, e.ints([0, 0, 0, missing], "pads"))
        best, _ = e.op("TopK", flat, e.ints([self.most], "max_peaks"), outputs=2, axis=1)
        zero = e.constant(0.0, "zero")
        found = e.op("Greater", best, zero)
        # Caffe counts the peaks that it has no room for, too.
        marks = e.op("Reshape", e.op("Cast", peak, to=FLOAT), e.ints([self.parts, -1], "shape"))
        count = e.reduce("Sum", marks, [1], keepdims=True)
        place = e.op("Sub", e.constant(float(height * width), "cells"), best)
        place = e.op("Cast", e.op("Where", found, place, zero), to=INT64)
        return place, found, e.op("Unsqueeze", count, e.ints([2], "axes"))

    def _centres(self, e: Emitter, memory: str, place: str, plane: tuple[int, int], size: int) -> list[str]:
        """Where the centre of mass is, across and down, (parts, most) each."""
        height, width = plane
        by, zero = e.constant(width, "width", np.int64), e.constant(0, "zero", np.int64)
        near = np.mgrid[-3:4, -3:4].reshape(2, 1, 1, 49)
        last = e.ints([2], "axes")
        down, across = (
            e.op("Add", e.op("Unsqueeze", e.op(kind, place, by), last), e.constant(near[i], "near", np.int64))
            for i, kind in enumerate(("Div", "Mod"))
        )
        start = np.arange(self.parts).reshape(-1, 1, 1) * height * width
        cell = e.op("Add", e.op("Add", e.op("Mul", down, by), across), e.constant(start, "maps", np.int64))
        # The kernel leaves row and column 0 out, and bounds the rows by the width: it reads on in the next map.
        tests = [e.op("Greater", down, zero), e.op("Less", down, by), e.op("Greater", across, zero)]
        tests += [e.op("Less", across, by), e.op("Less", cell, e.constant(size, "size", np.int64))]
        inside = tests[0]
        for test in tests[1:]:
            inside = e.op("And", inside, test)
        value = e.op("Gather", memory, e.op("Where", inside, cell, zero), axis=0)
        value = e.op("Where", inside, e.op("Max", value, e.constant(0.0, "none")), e.constant(0.0, "none"))
        total = e.reduce("Sum", value, [2], keepdims=False)
        moments = [e.op("Mul", value, e.op("Cast", numbers, to=FLOAT)) for numbers in (across, down)]
        return [e.op("Div", e.reduce("Sum", moment, [2], keepdims=False), total) for moment in moments]


@dataclass(frozen=True, slots=True)
class MapPeaks(Layer):
    """Peaks of one map an image: how many, then (x, y, score) of the first of them (nms_layer.cu of August 2016).

    A peak is above the threshold and above its four neighbours, which are 0 outside. The last cell never is one.

    Attributes:
        threshold: how high a peak must be.
        most: for how many there is room.
    """

    threshold: float
    most: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``nms_param``."""
        p = source.nms_param
        require(p.num_peak > 0, "num_peak must be above 0")
        return cls(p.threshold, p.num_peak)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(N, 1, num_peak + 1, 3)."""
        x = bottoms[0]
        require(len(x) == 4 and x[1] == 1, f"it takes images of one map, not {show(x)}")
        n, _, height, width = fixed(x)
        require(0 < height * width < 2**24, f"maps of {height}x{width} are not possible")
        return ((n, 1, self.most + 1, 3),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Max over shifted maps, TopK for the first peaks."""
        n, _, height, width = fixed(x[0].shape)
        cells = height * width
        check_constant(cells, "the numbers of its cells")
        mark = self._marks(e, x[0].name, height, width)
        # The first peaks are those with the largest of falling numbers; the last cell's is 0.
        ranks = np.where(np.arange(cells) < cells - 1, cells - np.arange(cells), 0)[None]
        rank = e.op("Mul", e.op("Reshape", mark, e.ints([n, cells], "shape")), e.constant(ranks, "ranks"))
        zero = e.constant(0.0, "zero")
        count = e.reduce("Sum", e.op("Cast", e.op("Greater", rank, zero), to=FLOAT), [1], keepdims=True)
        if self.most > cells:
            rank = e.op("Pad", rank, e.ints([0, 0, 0, self.most - cells], "pads"))
        best = e.op("TopK", rank, e.ints([self.most], "num_peak"), outputs=2, axis=1)[0]
        found = e.op("Greater", best, zero)
        place = e.op("Where", found, e.op("Sub", e.constant(float(cells), "cells"), best), zero)
        place = e.op("Cast", place, to=INT64)
        score = e.op("GatherElements", e.op("Reshape", x[0].name, e.ints([n, cells], "shape")), place, axis=1)
        columns = [*_coordinates(e, place, width), score]
        columns = [e.op("Unsqueeze", e.op("Where", found, c, zero), e.ints([2], "axes")) for c in columns]
        head = e.op("Pad", e.op("Unsqueeze", count, e.ints([2], "axes")), e.ints([0, 0, 0, 0, 0, 2], "pads"))
        rows = e.op("Concat", head, e.op("Concat", *columns, axis=2), axis=1)
        return [e.op("Unsqueeze", rows, e.ints([1], "axes"))]

    def _marks(self, e: Emitter, maps: str, height: int, width: int) -> str:
        """1 where there is a peak, else 0."""
        framed = e.op("Pad", maps, e.ints([0, 0, 1, 1, 0, 0, 1, 1], "pads"))
        beside = [e.slice(framed, [y, x], [y + height, x + width], [2, 3]) for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
        higher = e.op("Greater", maps, e.op("Max", *beside))
        peak = e.op("And", higher, e.op("Greater", maps, e.constant(self.threshold, "threshold")))
        return str(e.op("Cast", peak, to=FLOAT))


@dataclass(frozen=True, slots=True)
class Highest(Layer):
    """Maximum of one bottom: x, y and value of the highest place of each map, the first one (maximum_layer.cpp).

    Only what is above the least normal float is seen: else all is as if that stood in the first place.
    """

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, 1, 3)."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        require(all(size > 0 for size in fixed(x[2:])), "its maps must not be empty")
        return ((*x[:2], 1, 3),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("OpenPose's Maximum", "by its single bottom")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Max with the least, in front of the first place; ArgMax."""
        height, width = fixed(x[0].shape[2:])
        require(height * width < 2**24, f"maps of {height}x{width} are not possible")
        maps = e.reshape(x[0].name, x[0].shape, (*x[0].shape[:2], height * width))
        maps = e.op("Max", maps, e.constant(np.finfo(np.float32).tiny, "least"))
        place = e.op("ArgMax", maps, axis=2, keepdims=1)
        columns = [*_coordinates(e, place, width), e.reduce("Max", maps, [2], keepdims=True)]
        return [e.op("Unsqueeze", e.op("Concat", *columns, axis=2), e.ints([2], "axes"))]


def _coordinates(e: Emitter, place: str, width: int) -> list[str]:
    """x and y, as floats, of cells that are numbered row by row."""
    by = e.constant(width, "width", np.int64)
    return [e.op("Cast", e.op(kind, place, by), to=FLOAT) for kind in ("Mod", "Div")]


LAYERS: dict[str, type[Layer]] = {"Nms": Nms}
