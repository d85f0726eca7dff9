"""Layers that only move values: Reshape, Flatten, Crop, Tile, Permute, Im2col, ShuffleChannel; and Axpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.space import PixelShuffle
from caffe_bn_convert.net.dim import Dim, Shape, divide, fixed, is_fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """``dims`` in place of ``num_axes`` axes from ``axis`` on (reshape_layer.cpp).

    Attributes:
        dims: the new sizes; 0 copies the bottom's at the same place, counted from ``axis``; one -1 takes the rest.
        axis: where the new axes begin. A negative one counts from behind the last axis: -1 appends.
        num_axes: how many axes are replaced; -1 is all, 0 inserts.
    """

    RESTRICTIONS = "not in place, as in Caffe; Intel's and synopsys' with pixelshuffler"

    dims: tuple[int, ...]
    axis: int = 0
    num_axes: int = -1

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``reshape_param``; with ``pixelshuffler`` it is Intel's or synopsys' and a :class:`PixelShuffle`."""
        p = source.reshape_param
        refuse_in_place(source)
        if p.pixelshuffler != 1:
            require(p.pixelshuffler > 1, "pixelshuffler must be 1 or more")
            only(p, ("pixelshuffler", "shape", "axis", "num_axes"))
            return PixelShuffle(p.pixelshuffler, "CRD")
        only(p, ())
        dims = tuple(p.shape.dim)
        sound = dims.count(-1) <= 1 and all(dim >= -1 for dim in dims)
        require(sound, f"the shape {list(dims)} has more than one -1, or other negative numbers")
        require(p.num_axes >= -1, f"num_axes {p.num_axes} is below -1")
        return cls(dims, p.axis, p.num_axes)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The same volume under the new axes."""
        x = bottoms[0]
        rank = len(x)
        start = self.axis if self.axis >= 0 else rank + self.axis + 1
        require(0 <= start <= rank, f"axis {self.axis} is out of range for a blob of {rank} axes")
        end = rank if self.num_axes == -1 else start + self.num_axes
        require(end <= rank, f"axis {self.axis} and num_axes {self.num_axes} reach beyond the bottom's {rank} axes")
        dims: list[Dim] = [self._copied(x, start + i) if dim == 0 else dim for i, dim in enumerate(self.dims)]
        if -1 in self.dims:
            known = volume((*x[:start], *(dim for dim in dims if dim != -1), *x[end:]))
            dims[self.dims.index(-1)] = _quotient(volume(x), known)
        top = (*x[:start], *dims, *x[end:])
        _check_volume(x, top)
        return (top,)

    def _copied(self, x: Shape, axis: int) -> Dim:
        require(axis < len(x), f"a dim of 0 copies axis {axis} of the bottom, which has {len(x)}")
        return x[axis]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape."""
        return [e.reshape(x[0].name, x[0].shape, self.shapes((x[0].shape,))[0])]


def _quotient(total: Dim, known: Dim) -> Dim:
    rest = divide(total, known)
    if rest is not None:
        return rest
    if isinstance(total, int) and isinstance(known, int):
        raise InvalidNetError(f"{total} values do not divide into {known}")
    raise UnsupportedError(
        f"whether {total} values divide into {known} depends on a size that is dynamic",
        hint="give the input a number for this axis with --shape",
    )


def _check_volume(x: Shape, top: Shape) -> None:
    if volume(x) == volume(top):
        return
    if is_fixed(x):
        raise InvalidNetError(f"a blob of {show(x)} does not reshape to {show(top)}: it holds another number of values")
    raise UnsupportedError(
        f"the prototxt reshapes {show(x)} to {show(top)}, which fits one size only",
        hint="write dim: 0 for the dynamic axis (or -1), or give the input numbers with --shape",
    )


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """The axes from ``axis`` to ``end_axis``, both included, become one (flatten_layer.cpp)."""

    RESTRICTIONS = "not in place, as in Caffe"

    axis: int = 1
    end_axis: int = -1

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``flatten_param``."""
        p = source.flatten_param
        only(p, ())
        refuse_in_place(source)
        return cls(p.axis, p.end_axis)

    def _range(self, x: Shape) -> tuple[int, int]:
        start, end = canonical_axis(self.axis, len(x)), canonical_axis(self.end_axis, len(x), "end_axis") + 1
        # Caffe only refuses an empty range that runs backwards: one that is just empty inserts an axis of 1.
        require(start <= end, f"axis {self.axis} lies behind end_axis {self.end_axis}")
        return start, end

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The product in place of the axes."""
        x = bottoms[0]
        start, end = self._range(x)
        return ((*x[:start], volume(x[start:end]), *x[end:]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Flatten where it is the same, else Reshape."""
        shape = x[0].shape
        if self._range(shape) == (1, len(shape)) and len(shape) > 2:
            return [e.op("Flatten", x[0].name, axis=1)]
        return [e.reshape(x[0].name, shape, self.shapes((shape,))[0])]


@dataclass(frozen=True, slots=True)
class Crop(Layer):
    """Every axis from ``axis`` on, cut to the second bottom's size (crop_layer.cpp).

    Attributes:
        axis: the first axis that is cut.
        offset: where the cut begins: none for 0, one for all axes, or one each.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = (
        "not in place; FCN's CROP, and with --dialect Crop=fcn its Crop, where the layers between tell the offset"
    )

    axis: int = 2
    offset: tuple[int, ...] = ()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``crop_param``."""
        p = source.crop_param
        only(p, ())
        refuse_in_place(source)
        return cls(p.axis, tuple(p.offset))

    def _cut(self, x: Shape, like: Shape) -> tuple[int, tuple[int, ...]]:
        """The first axis, and an offset for each from there on."""
        axis = canonical_axis(self.axis, len(x))
        count = len(x) - axis
        require(len(self.offset) in (0, 1, count), f"it has {len(self.offset)} offsets for {count} axes")
        require(len(like) >= len(x), f"its second bottom has {len(like)} axes, its first {len(x)}")
        return axis, self.offset * count if len(self.offset) == 1 else self.offset or (0,) * count

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The second bottom's sizes from ``axis`` on."""
        x, like = bottoms
        axis, offsets = self._cut(x, like)
        for i, offset in enumerate(offsets, axis):
            spare = x[i] - offset - like[i]
            require(
                not isinstance(spare, int) or spare >= 0,
                f"{like[i]} from {offset} on lie beyond axis {i}, which has {x[i]}",
            )
        return ((*x[:axis], *like[axis : len(x)]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice, to ends that are computed where the size is dynamic."""
        data, like = x
        axis, offsets = self._cut(data.shape, like.shape)
        rank = len(data.shape)
        if data.shape[axis:] == like.shape[axis:rank]:
            return [data.name]
        axes = list(range(axis, rank))
        if is_fixed(like.shape[axis:rank]):
            ends = [o + n for o, n in zip(offsets, fixed(like.shape[axis:rank]), strict=True)]
            return [e.slice(data.name, offsets, ends, axes)]
        sizes = e.slice(e.op("Shape", like.name), [axis], [rank], [0])
        starts = e.ints(offsets, "starts")
        return [e.op("Slice", data.name, starts, e.op("Add", sizes, starts), e.ints(axes, "axes"))]


@dataclass(frozen=True, slots=True)
class Tile(Layer):
    """The blob ``tiles`` times over along one axis."""

    axis: int
    tiles: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``tile_param``."""
        p = source.tile_param
        refuse_in_place(source)
        require(p.tiles > 0, "tile_param needs tiles, a positive number")
        return cls(p.axis, p.tiles)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """``tiles`` times the axis."""
        x = bottoms[0]
        axis = canonical_axis(self.axis, len(x))
        return ((*x[:axis], x[axis] * self.tiles, *x[axis + 1 :]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Tile."""
        if self.tiles == 1:
            return [x[0].name]
        repeats = [1] * len(x[0].shape)
        repeats[canonical_axis(self.axis, len(repeats))] = self.tiles
        return [e.op("Tile", x[0].name, e.ints(repeats, "repeats"))]


@dataclass(frozen=True, slots=True)
class Permute(Layer):
    """The axes in another order; those that are not listed follow in theirs (permute_layer.cpp of SSD)."""

    order: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``permute_param``."""
        p = source.permute_param
        only(p, {"order"})
        refuse_in_place(source)
        require(len(set(p.order)) == len(p.order), f"the order {list(p.order)} lists an axis twice")
        return cls(tuple(p.order))

    def full(self, rank: int) -> tuple[int, ...]:
        """The order of all axes of a blob."""
        for axis in self.order:
            require(axis < rank, f"the order lists axis {axis}, but the bottom has {rank} axes")
        return (*self.order, *(axis for axis in range(rank) if axis not in self.order))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's sizes in the new order."""
        x = bottoms[0]
        return (tuple(x[axis] for axis in self.full(len(x))),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Transpose."""
        order = self.full(len(x[0].shape))
        return [x[0].name if order == tuple(range(len(order))) else e.op("Transpose", x[0].name, perm=order)]


LAYERS: dict[str, type[Layer]] = {
    "Reshape": Reshape,
    "Flatten": Flatten,
    "Crop": Crop,
    "Tile": Tile,
    "Permute": Permute,
}
