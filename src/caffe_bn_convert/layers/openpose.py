"""OpenPose's layers (caffe_rtpose): ImResize, Nms, by what their CUDA kernels compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import fixed, show
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

    Array = np.ndarray[Any, Any]

F32 = np.float32


@dataclass(frozen=True, slots=True)
class ImResize(Layer):
    """Cubic resampling; the images of the batch are one scene at several scales, and the top is their mean.

    Source: imresize_layer.cu. Image n is cut on all sides, by ``(1 - start_scale + n * scale_gap) / 2`` of its size.

    Attributes:
        size: height and width of the top; None where the factor counts.
        factor: what the bottom's are multiplied by.
        start, gap: the scales.
    """

    RESTRICTIONS = "4-D, fixed sizes"

    size: tuple[int, int] | None
    factor: float
    start: float
    gap: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``imresize_param``."""
        p = source.imresize_param
        only(p, ("target_spatial_width", "target_spatial_height", "factor", "start_scale", "scale_gap"))
        require(p.factor >= 0, "factor must not be negative")
        size = None if p.factor else (p.target_spatial_height, p.target_spatial_width)
        return cls(size, p.factor, p.start_scale, p.scale_gap)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """One image."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        n, channels, *plane = fixed(x)
        size = self.size or tuple(int(F32(side) * F32(self.factor)) for side in plane)
        require(all(side > 0 for side in size), f"its top would be {show(size)}")
        for number in range(n):
            cut = [self._cut(side, number) for side in plane]
            fits = all(c >= 0 and side - 2 * c > 0 for side, c in zip(plane, cut, strict=True))
            require(fits, f"image {number} is cut by {cut}, which does not fit {show(plane)}")
        return ((1, channels, *size),)

    def _cut(self, side: int, number: int) -> int:
        """How many cells of image ``number`` are left out on either side."""
        share = F32(1) - F32(self.start) + F32(number) * F32(self.gap)
        return int(np.floor(F32(side // 2) * F32(share)))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """One MatMul for rows and columns each, with matrices of its own for every image; ReduceMean."""
        n, _, *plane = fixed(x[0].shape)
        new = fixed(self.shapes((x[0].shape,))[0][2:])
        check_constant(n * max(side * size for side, size in zip(plane, new, strict=True)), "the weights of its cells")
        rows, columns = (
            np.stack([_weights(side, size, self._cut(side, number)) for number in range(n)])[:, None]
            for side, size in zip(plane, new, strict=True)
        )
        value = e.op("MatMul", x[0].name, e.constant(columns.swapaxes(2, 3), "columns"))
        value = e.op("MatMul", e.constant(rows, "rows"), value)
        return [e.reduce("Mean", value, [0], keepdims=True) if n > 1 else value]


def _weights(side: int, size: int, cut: int) -> Array:
    """The weight of each of ``side`` cells in each of ``size`` samples of what the cut leaves."""
    inner = side - 2 * cut
    offset = F32(float(F32(size) / F32(inner) / F32(2)) - 0.5)
    place = (np.arange(size, dtype=F32) - offset) * F32(F32(inner) / F32(size))
    # A C cast cuts towards zero; the kernel then does not go below 0, and neighbours do not leave the picture.
    second = np.maximum((place.astype(np.float64) + 1e-5).astype(np.int64), 0)
    third = np.minimum(second + 1, inner - 1)
    cells = [np.maximum(second - 1, 0), second, third, np.minimum(third + 1, inner - 1)]
    d = (place - second.astype(F32)).astype(np.float64)
    shares = [
        ((-0.5 * d + 1) * d - 0.5) * d,
        (1.5 * d - 2.5) * d * d + 1,
        ((-1.5 * d + 2) * d + 0.5) * d,
        (0.5 * d - 0.5) * d * d,
    ]
    weights = np.zeros((size, side))
    for cell, share in zip(cells, shares, strict=True):
        np.add.at(weights, (np.arange(size), cell + cut), share)
    return weights


@dataclass(frozen=True, slots=True)
class Nms(Layer):
    """Peaks of maps: how many, then (x, y, score) of the first of them, row by row (nms_layer.cu).

    A peak is above the threshold and above all its eight neighbours; its place is the centre of mass of the positive
    values within three cells.

    Attributes:
        threshold: how high a peak must be.
        most: how many of a map there is room for.
        parts: of how many maps.
    """

    RESTRICTIONS = "one image, fixed sizes; places without a peak hold 0 (in Caffe what the run before left there)"

    threshold: float
    most: int
    parts: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``nms_param``; num_peak is of an older version, whose top is another."""
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


LAYERS: dict[str, type[Layer]] = {"ImResize": ImResize, "Nms": Nms}
