"""Layers of forks that move, drop or cut axes: Squeeze, Transpose, Reverse, Flip, Gather, CropCenter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Shape, fixed, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

BACK_TO_THE_START = -(2**63) + 1


@dataclass(frozen=True, slots=True)
class Squeeze(Layer):
    """Without the given axes of size 1, or without all of them (squeeze_layer.cpp of synopsys-caffe)."""

    axes: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``squeeze_param``."""
        only(source.squeeze_param, ("axis",))
        refuse_in_place(source)
        return cls(tuple(source.squeeze_param.axis))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, less the axes."""
        x = bottoms[0]
        if not self.axes:
            return (tuple(dim for dim in x if dim != 1),)
        dropped = {canonical_axis(axis, len(x)) for axis in self.axes}
        require(all(x[axis] == 1 for axis in dropped), f"only axes of size 1 can go, its bottom is {show(x)}")
        return (tuple(dim for axis, dim in enumerate(x) if axis not in dropped),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape."""
        return [e.reshape(x[0].name, x[0].shape, self.shapes((x[0].shape,))[0])]


@dataclass(frozen=True, slots=True)
class Transpose(Layer):
    """The axes in another order (transpose_layer.cpp of CTPN)."""

    order: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``transpose_param``."""
        only(source.transpose_param, ("dim",))
        refuse_in_place(source)
        return cls(tuple(source.transpose_param.dim))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's sizes in the new order."""
        x = bottoms[0]
        whole = sorted(self.order) == list(range(len(x)))
        require(whole, f"dim {list(self.order)} must name each of the bottom's {len(x)} axes once")
        return (tuple(x[axis] for axis in self.order),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Transpose."""
        return [e.op("Transpose", x[0].name, perm=list(self.order))]


def reversed_along(e: Emitter, x: str, axes: Sequence[int]) -> str:
    """The blob read backwards along the axes."""
    if not axes:
        return x
    count = len(axes)
    starts, ends = e.ints([-1] * count, "starts"), e.ints([BACK_TO_THE_START] * count, "ends")
    return str(e.op("Slice", x, starts, ends, e.ints(axes, "axes"), e.ints([-1] * count, "steps")))


@dataclass(frozen=True, slots=True)
class Reverse(Layer):
    """The blob read backwards along one axis, or several (reverse_layer.cpp of OpenVINO's fork, CTPN and others)."""

    axes: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``reverse_param``."""
        only(source.reverse_param, ("axis",))
        refuse_in_place(source)
        return cls(tuple(source.reverse_param.axis) or (0,))

    def _axes(self, x: Shape) -> list[int]:
        return sorted({canonical_axis(axis, len(x)) for axis in self.axes})

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        self._axes(bottoms[0])
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice with step -1."""
        return [reversed_along(e, x[0].name, self._axes(x[0].shape))]


@dataclass(frozen=True, slots=True)
class Flip(Layer):
    """The picture mirrored: left to right, upside down, or both (flip_layer.cpp of caffe-windows)."""

    RESTRICTIONS = "4-D"

    axes: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``flip_param``."""
        p = source.flip_param
        only(p, ("flip_width", "flip_height"))
        refuse_in_place(source)
        return cls(tuple(axis for axis, flipped in ((2, p.flip_height), (3, p.flip_width)) if flipped))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        require(len(bottoms[0]) == 4, f"it takes 4-D blobs, its bottom has {len(bottoms[0])} axes")
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice with step -1."""
        return [reversed_along(e, x[0].name, self.axes)]


@dataclass(frozen=True, slots=True)
class Gather(Layer):
    """Items at fixed indices along one axis (gather_layer.cpp of synopsys-caffe).

    Attributes:
        indices: which items.
        shape: the shape of the indices, which replaces the axis; () for one index, which drops it.
        axis: along which axis.
    """

    BOTTOMS = (1, None)
    TOPS = (1, None)
    RESTRICTIONS = "synopsys-caffe's, with fixed indices; yjxiong's, without any, as on one computer"

    indices: tuple[int, ...]
    shape: tuple[int, ...]
    axis: int

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``gather_param``; without one it is yjxiong's layer, a :class:`Gathered`."""
        p = source.gather_param
        if not source.definition.parameter.HasField("gather_param"):
            require(source.bottoms == source.tops, f"it has {source.bottoms} bottoms but {source.tops} tops")
            return Gathered()
        require(source.bottoms == source.tops == 1, "Gather with indices takes 1 bottom and makes 1 top")
        require(len(p.indices) > 0, "gather_param needs indices")
        only(p, ("indices", "shape", "axis"))
        shape = () if tuple(p.shape) == (0,) else tuple(p.shape)
        told = f"there are {len(p.indices)} indices for the shape {list(p.shape)}"
        require(len(p.indices) == int(np.prod(shape, dtype=np.int64)), told)
        return cls(tuple(p.indices), shape, p.axis)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The shape of the indices in place of the axis."""
        x = bottoms[0]
        axis = canonical_axis(self.axis, len(x))
        (size,) = fixed(x[axis : axis + 1])
        require(max(self.indices) < size, f"index {max(self.indices)} is beyond axis {axis}, which has {size}")
        return ((*x[:axis], *self.shape, *x[axis + 1 :]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather."""
        indices = np.reshape(np.array(self.indices, np.int64), self.shape)
        axis = canonical_axis(self.axis, len(x[0].shape))
        return [e.op("Gather", x[0].name, e.constant(indices, "indices", np.int64), axis=axis)]


@dataclass(frozen=True, slots=True)
class Gathered(Layer):
    """What one of several computers has of each bottom's batch (gather_layer.cpp of yjxiong's Caffe): alone, all of it."""

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Those of the bottoms."""
        return bottoms

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("yjxiong's Gather of batches, run on one computer", "as it has no gather_param")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """No arithmetic."""
        return [t.name for t in x]


@dataclass(frozen=True, slots=True)
class CropCenter(Layer):
    """As much off both ends of each axis (crop_center_layer.cpp of waifu2x-caffe)."""

    off: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``crop_center_param``."""
        only(source.crop_center_param, ("crop_size",))
        refuse_in_place(source)
        return cls(tuple(source.crop_center_param.crop_size))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, less twice ``crop_size``."""
        x = bottoms[0]
        require(len(self.off) == len(x), f"crop_size has {len(self.off)} numbers for {len(x)} axes")
        for size, off in zip(x, self.off, strict=True):
            fits = not isinstance(size, int) or size > 2 * off
            require(fits, f"crop_size {list(self.off)} leaves nothing of {show(x)}")
        return (tuple(size - 2 * off for size, off in zip(x, self.off, strict=True)),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice."""
        axes = [axis for axis, off in enumerate(self.off) if off]
        off = [self.off[axis] for axis in axes]
        return [e.slice(x[0].name, off, [-n for n in off], axes) if axes else x[0].name]


LAYERS: dict[str, type[Layer]] = {
    "Squeeze": Squeeze,
    "Transpose": Transpose,
    "Reverse": Reverse,
    "Flip": Flip,
    "Gather": Gather,
    "CropCenter": CropCenter,
}
