"""Layers between several blobs: Concat, Slice, Split, Silence, Filter, BatchReindex."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.layers.base import Identity, Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Dim, Shape, Symbol, divide, fixed, is_fixed, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Concat(Layer):
    """The bottoms side by side along one axis."""

    BOTTOMS = (1, None)

    axis: int = 1

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``concat_param``."""
        if source.concat_param.per_fla_fuse:
            raise UnsupportedError(
                "per_fla_fuse takes the maps as Intel's 8-bit integers lie in memory, channels last",
                hint="leave it out, and write what the float32 net has: behind each bottom a Permute (order: 0, 2, 3, 1) "
                "and a Flatten",
            )
        only(source.concat_param, ())
        refuse_in_place(source)
        return cls(_axis_or(source.concat_param, "concat_dim"))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The sum along the axis; all others must agree."""
        first = bottoms[0]
        axis = canonical_axis(self.axis, len(first))
        total: Dim = 0
        for shape in bottoms:
            agrees = len(shape) == len(first) and (*shape[:axis], *shape[axis + 1 :]) == (
                *first[:axis],
                *first[axis + 1 :],
            )
            require(agrees, f"its bottoms are {show(first)} and {show(shape)}, which differ in more than axis {axis}")
            total = total + shape[axis]
        return ((*first[:axis], total, *first[axis + 1 :]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Concat; a single bottom is the top."""
        if len(x) == 1:
            return [x[0].name]
        return [e.op("Concat", *(t.name for t in x), axis=canonical_axis(self.axis, len(x[0].shape)))]


@dataclass(frozen=True, slots=True)
class Slice(Layer):
    """The bottom cut along one axis, at given points or into equal parts (slice_layer.cpp)."""

    TOPS = (1, None)

    axis: int
    points: tuple[int, ...]
    parts: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``slice_param``."""
        p = source.slice_param
        only(p, ())
        refuse_in_place(source)
        points = tuple(p.slice_point)
        require(
            not points or len(points) == source.tops - 1, f"it has {source.tops} tops but {len(points)} slice points"
        )
        require(all(a < b for a, b in pairwise((0, *points))), f"the slice points {points} do not rise from 0")
        return cls(_axis_or(p, "slice_dim"), points, source.tops)

    def sizes(self, x: Shape) -> tuple[Dim, ...]:
        """The sizes of the parts along the axis."""
        size = x[canonical_axis(self.axis, len(x))]
        if self.points:
            last = size - self.points[-1]
            require(
                not isinstance(last, int) or last >= 0, f"slice point {self.points[-1]} is beyond the axis of {size}"
            )
            require(
                not isinstance(size, int) or self.parts <= size,
                f"{self.parts} tops are more than the axis of {size} has",
            )
            return (*(b - a for a, b in pairwise((0, *self.points))), last)
        part = divide(size, self.parts)
        if part is None:
            (size,) = fixed((size,))
            raise InvalidNetError(f"an axis of {size} does not divide into {self.parts} equal parts")
        return (part,) * self.parts

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with the part's size on the axis."""
        x = bottoms[0]
        axis = canonical_axis(self.axis, len(x))
        return tuple((*x[:axis], size, *x[axis + 1 :]) for size in self.sizes(x))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Split; Slice where the last part's size is known only at run time."""
        axis = canonical_axis(self.axis, len(x[0].shape))
        sizes = self.sizes(x[0].shape)
        if is_fixed(sizes):
            return e.split(x[0].name, fixed(sizes), axis)
        if not self.points:
            return e.split_equally(x[0].name, self.parts, axis)
        ends = (*self.points, np.iinfo(np.int64).max)
        return [e.slice(x[0].name, [a], [b], [axis]) for a, b in zip((0, *self.points), ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Silence(Layer):
    """Takes blobs so that they are no outputs of the net."""

    BOTTOMS = (1, None)
    TOPS = (0, 0)

    def shapes(self, bottoms: Shapes) -> Shapes:  # noqa: ARG002
        """No tops."""
        return ()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Filter(Layer):
    """The items of every bottom but the last where the last, the selector, is not 0 (filter_layer.cpp).

    Attributes:
        rows: the number of items that are kept, which only the data tell.
    """

    BOTTOMS = (2, None)
    TOPS = (1, None)

    rows: Symbol

    @classmethod
    def read(cls, source: Source) -> Self:
        """No parameters; the symbol is named after the layer, as two filters do not keep the same number."""
        refuse_in_place(source)
        require(
            source.tops == source.bottoms - 1, f"it has {source.bottoms} bottoms, so it needs {source.bottoms - 1} tops"
        )
        return cls(Symbol.named(f"{source.definition.name}/rows"))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many items as are selected."""
        *given, selector = bottoms
        single = len(selector) > 0 and all(dim == 1 for dim in selector[1:])
        require(single, f"the selector is {show(selector)}; only its first axis may be longer than 1")
        for shape in given:
            require(shape[:1] == selector[:1], f"the selector is {show(selector)}, but a bottom is {show(shape)}")
        return tuple((self.rows, *shape[1:]) for shape in given)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Compress."""
        *given, selector = x
        condition = e.op("Cast", e.reshape(selector.name, selector.shape, selector.shape[:1]), to=9)
        return [e.op("Compress", t.name, condition, axis=0) for t in given]


@dataclass(frozen=True, slots=True)
class BatchReindex(Layer):
    """The items of the first bottom that the second names, in its order (batch_reindex_layer.cpp)."""

    BOTTOMS = (2, 2)

    @classmethod
    def read(cls, source: Source) -> Self:
        """No parameters."""
        refuse_in_place(source)
        return cls()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many items as there are indices."""
        x, indices = bottoms
        require(len(indices) == 1, f"the indices are {show(indices)}; they must have one axis")
        require(len(x) > 0, "its bottom has no axes")
        return ((*indices, *x[1:]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather."""
        return [e.op("Gather", x[0].name, e.op("Cast", x[1].name, to=7), axis=0)]


def _axis_or(p: Any, old: str) -> int:
    """``axis``, or its name of old."""
    require(not (p.HasField("axis") and p.HasField(old)), f"axis and {old} are given together; Caffe takes either")
    return int(getattr(p, old) if p.HasField(old) else p.axis)


LAYERS: dict[str, type[Layer]] = {
    "Concat": Concat,
    "Slice": Slice,
    "Split": Identity,
    "Silence": Silence,
    "Filter": Filter,
    "BatchReindex": BatchReindex,
}
