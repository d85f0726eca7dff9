"""FlowNet's layers: Resample, FlowWarp, Correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.separable import by_matrices, cubic, linear
from caffe_bn_convert.net.dim import ceil_div, fixed, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

    Array = np.ndarray[Any, Any]

F32 = np.float32


@dataclass(frozen=True, slots=True)
class Resample(Layer):
    """Resampling to a size, to that of a second bottom, or by a factor (resample_layer.cu).

    Attributes:
        kind: NEAREST, LINEAR or CUBIC.
        antialias: whether the kernel widens where a picture shrinks.
        size: height and width; None where the factor counts.
        factor: what the sizes are multiplied by (a field of newer forks).
    """

    BOTTOMS = (1, 2)
    RESTRICTIONS = "4-D, fixed height and width; no AREA"

    kind: str
    antialias: bool
    size: tuple[int, int] | None
    factor: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``resample_param``."""
        p = source.resample_param
        only(p, ("antialias", "width", "height", "type", "factor"))
        refuse_in_place(source)
        kind = {1: "NEAREST", 2: "LINEAR", 3: "CUBIC"}.get(p.type)
        if kind is None:
            raise UnsupportedError("Resample with type AREA is not supported; NEAREST, LINEAR and CUBIC are")
        sized = p.HasField("height") or p.HasField("width")
        told = source.bottoms == 2 or sized or p.HasField("factor")
        require(told, "resample_param needs height and width, or a factor")
        return cls(kind, p.antialias, (p.height, p.width) if sized else None, p.factor)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with another height and width."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        if len(bottoms) == 2:
            require(len(bottoms[1]) == 4, "its second bottom, which tells the size, must have 4 axes")
            plane = bottoms[1][2:]
        else:
            plane = self.size or tuple(int(F32(n) * F32(self.factor)) for n in fixed(x[2:]))
        require(all(n >= 1 for n in fixed(plane)), f"its top would be {show(plane)}")
        if self.kind == "NEAREST":
            for place, size in zip(_places(fixed(x[2:]), fixed(plane))[1], fixed(x[2:]), strict=True):
                _rounded(place, size)
        return ((*x[:2], *plane),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather for NEAREST, one MatMul for rows and columns each otherwise."""
        old = fixed(x[0].shape[2:])
        new = fixed(self.shapes(tuple(t.shape for t in x))[0][2:])
        ratios, places = _places(old, new)
        if self.kind == "NEAREST":
            value = x[0].name
            for axis, (place, size) in enumerate(zip(places, old, strict=True), 2):
                value = e.op("Gather", value, e.constant(_rounded(place, size), "cells", np.int64), axis=axis)
            return [value]
        smooth = self.antialias and any(ratio > 1 for ratio in ratios)
        matrices = [
            self._weights(place, size, ratio, smooth) for place, size, ratio in zip(places, old, ratios, strict=True)
        ]
        return [by_matrices(e, x[0].name, matrices[0], matrices[1])]

    def _weights(self, place: Array, size: int, ratio: Any, smooth: bool) -> Array:  # noqa: FBT001  (handed on)
        """The weight of each of ``size`` cells at each place; they add up to 1."""
        by = F32(1) / ratio if smooth else F32(1)
        wide = 4 if self.kind == "CUBIC" else 2
        reach = 2 if ratio < 1 else int(np.ceil(F32(wide) / by))
        distance = place[:, None].astype(np.float64) - np.arange(size)
        near = np.abs(np.arange(size) - _away(place)[:, None]) <= reach
        weights = np.where(near, (cubic if self.kind == "CUBIC" else linear)(distance * by), 0.0)
        total: Array = weights.sum(axis=1, keepdims=True)
        return np.where(total == 0, 0.0, weights / np.where(total == 0, 1.0, total))


def _places(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[list[Any], list[Array]]:
    """The ratios of the sizes, and where in the bottom each cell of the top lies, in float32."""
    ratios = [F32(a) / F32(b) for a, b in zip(old, new, strict=True)]
    # The fork adds half the *other* axis's ratio to each place.
    return ratios, [
        (np.arange(n, dtype=F32) * ratios[i] + ratios[1 - i] / F32(2) - F32(0.5)).astype(F32) for i, n in enumerate(new)
    ]


def _away(place: Array) -> Array:
    """C's ``round``: halves away from zero."""
    return np.sign(place) * np.floor(np.abs(place) + 0.5)


def _rounded(place: Array, size: int) -> Array:
    """The nearest cells; the fork reads beside the picture where its sizes are odd, the border is taken here.

    Raises:
        UnsupportedError: it would do so.
    """
    cells = _away(place)
    if cells.min() < 0 or cells.max() >= size:
        raise UnsupportedError("with these sizes the fork's NEAREST reads memory beside the picture")
    return cells.astype(np.int64)


@dataclass(frozen=True, slots=True)
class FlowWarp(Layer):
    """The first bottom read at x + the second, a flow; ``fill`` where that is outside (flow_warp_layer.cu)."""

    BOTTOMS = (2, 2)
    RESTRICTIONS = "4-D, fixed sizes"

    fill: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``flow_warp_param``."""
        p = source.flow_warp_param
        only(p, ("fill_value",))
        refuse_in_place(source)
        return cls(float("nan") if p.fill_value == 2 else 0.0)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The first bottom's."""
        x, flow = bottoms
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        require(flow == (x[0], 2, *x[2:]), f"the flow is {show(flow)}, but must be {show((x[0], 2, *x[2:]))}")
        return (x,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Four GatherElements and their weights: GridSample is newer than opset 13, and clips elsewhere."""
        n, c, height, width = fixed(x[0].shape)
        across, down = e.split(x[1].name, [1, 1], 1)
        places = [
            e.op("Add", flow, e.constant(np.arange(size).reshape(shape), "cells"))
            for flow, size, shape in ((across, width, (1, 1, 1, width)), (down, height, (1, 1, height, 1)))
        ]
        inside = _all_inside(e, places, (width, height))
        low = [e.op("Floor", e.op("Where", inside, place, e.constant(0.0, "zero"))) for place in places]
        share = [e.op("Sub", place, cell) for place, cell in zip(places, low, strict=True)]
        plane = e.reshape(x[0].name, x[0].shape, (n, c, height * width))
        total = _corners(e, plane, low, share, (n, c, height, width))
        return [e.op("Where", inside, total, e.constant(self.fill, "fill"))]


def _all_inside(e: Emitter, places: list[str], sizes: tuple[int, int]) -> str:
    tests = [
        test
        for place, size in zip(places, sizes, strict=True)
        for test in (
            e.op("GreaterOrEqual", place, e.constant(0.0, "zero")),
            e.op("Less", place, e.constant(float(size), "size")),
        )
    ]
    value = tests[0]
    for test in tests[1:]:
        value = e.op("And", value, test)
    return str(value)


def _corners(e: Emitter, plane: str, low: list[str], share: list[str], shape: tuple[int, int, int, int]) -> str:
    """The four cells around each place, weighted by how near they are."""
    n, c, height, width = shape
    one = e.constant(1.0, "one")
    near = [(low[i], e.op("Sub", one, share[i])) for i in (0, 1)]
    far = [
        (e.op("Min", e.op("Add", low[i], one), e.constant(float(size - 1), "last")), share[i])
        for i, size in enumerate((width, height))
    ]
    terms = []
    for column, by_column in (near[0], far[0]):
        for row, by_row in (near[1], far[1]):
            cell = e.op("Add", e.op("Mul", row, e.constant(float(width), "width")), column)
            index = e.op("Reshape", e.op("Cast", cell, to=INT64), e.ints([n, 1, height * width], "shape"))
            index = e.op("Expand", index, e.ints([n, c, height * width], "shape"))
            value = e.op("Reshape", e.op("GatherElements", plane, index, axis=2), e.ints(shape, "shape"))
            terms.append(e.op("Mul", value, e.op("Mul", by_column, by_row)))
    return str(e.op("Sum", *terms))


@dataclass(frozen=True, slots=True)
class Correlation(Layer):
    """For each shift of the second bottom the mean over a patch and the channels of products (correlation_layer.cu).

    Attributes:
        pad: zeros around both bottoms.
        kernel: the side of a patch.
        reach: the greatest shift.
        stride: steps of the top, and of the shifts.
        subtract: absolute differences instead of products.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = "4-D, fixed height and width; single_direction: 0, do_abs: false"

    pad: int
    kernel: int
    reach: int
    stride: tuple[int, int]
    subtract: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``correlation_param``."""
        p = source.correlation_param
        names = ("pad", "kernel_size", "max_displacement", "stride_1", "stride_2", "correlation_type")
        only(p, names)
        told = p.HasField("kernel_size") and p.HasField("max_displacement")
        require(told, "correlation_param needs kernel_size and max_displacement")
        require(p.kernel_size % 2 == 1, f"kernel_size {p.kernel_size} is even; the fork takes odd ones only")
        require(p.stride_1 > 0 and p.stride_2 > 0, "stride_1 and stride_2 must be above 0")
        return cls(p.pad, p.kernel_size, p.max_displacement, (p.stride_1, p.stride_2), p.correlation_type == 1)

    def _shifts(self) -> list[int]:
        radius = self.reach // self.stride[1]
        return [i * self.stride[1] for i in range(-radius, radius + 1)]

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(batch, shifts², …): every shift that keeps patch and shift inside."""
        a, b = bottoms
        require(len(a) == 4, f"it takes 4-D blobs, its bottom has {len(a)} axes")
        require(a == b, f"its bottoms are {show(a)} and {show(b)}; they must have one shape")
        border = 2 * (self.reach + self.kernel // 2)
        plane = [ceil_div(n + 2 * self.pad - border, self.stride[0]) for n in fixed(a[2:])]
        require(all(n >= 1 for n in fixed(tuple(plane))), f"the shifts and patches do not fit into {show(a)}")
        return ((a[0], len(self._shifts()) ** 2, *plane),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice, Mul and ReduceSum for each shift, then one AveragePool over the patches."""
        a, b = (self._padded(e, t) for t in x)
        (top,) = self.shapes(tuple(t.shape for t in x))
        channels = fixed(x[0].shape[1:2])[0]
        spans = [(n - 1) * self.stride[0] + self.kernel for n in fixed(top[2:])]
        start = self.reach
        # SUBTRACT's kernel begins at the same cell: its centre is kernel/2 further in both bottoms.
        window = e.slice(a, [start] * 2, [start + span for span in spans], [2, 3])
        maps = []
        for down in self._shifts():
            for across in self._shifts():
                begin = [start + down, start + across]
                other = e.slice(b, begin, [at + span for at, span in zip(begin, spans, strict=True)], [2, 3])
                value = e.op("Abs", e.op("Sub", window, other)) if self.subtract else e.op("Mul", window, other)
                maps.append(e.reduce("Mean", value, [1], keepdims=True) if channels > 1 else value)
        value = e.op("Concat", *maps, axis=1) if len(maps) > 1 else maps[0]
        return [self._patches(e, value)]

    def _padded(self, e: Emitter, x: Tensor) -> str:
        if not self.pad:
            return x.name
        side = [0, 0, self.pad, self.pad]
        return str(e.op("Pad", x.name, e.ints(side * 2, "pads")))

    def _patches(self, e: Emitter, x: str) -> str:
        if self.kernel == 1 and self.stride[0] == 1:
            return x
        return str(e.op("AveragePool", x, kernel_shape=[self.kernel] * 2, strides=[self.stride[0]] * 2, pads=[0] * 4))


LAYERS: dict[str, type[Layer]] = {"Resample": Resample, "FlowWarp": FlowWarp, "Correlation": Correlation}
