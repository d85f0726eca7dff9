"""Layers that rearrange or weigh channels: Im2col, ShuffleChannel, Axpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.conv import Window
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Shape, fixed, show
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Im2col(Layer):
    """Every window of a convolution as channels: channel-major, then the kernel's cells (im2col_layer.cpp)."""

    RESTRICTIONS = "fixed channels and spatial sizes"

    window: Window
    axis: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``convolution_param``."""
        p = source.convolution_param
        refuse_in_place(source)
        for plain, stem in (("kernel_size", "kernel"), ("stride", "stride"), ("pad", "pad")):
            both = len(getattr(p, plain)) > 0 and (p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"))
            require(not both, f"{plain} and {stem}_h/{stem}_w are given together; Caffe takes either")
        return cls(Window.read(p), p.axis)

    def _split(self, x: Shape) -> tuple[int, tuple[int, ...], Window]:
        axis = canonical_axis(self.axis, len(x))
        sizes = fixed(x[axis:])
        require(len(sizes) > 1, f"there is no spatial axis behind axis {axis}")
        return axis, sizes, self.window.spread(len(sizes) - 1)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Channels times cells of the kernel, then as many positions as the window has."""
        axis, (channels, *spatial), window = self._split(bottoms[0])
        out = tuple(window.out(i, size) for i, size in enumerate(spatial))
        for i, size in enumerate(fixed(out)):
            require(size > 0, f"the kernel {window.kernel} does not fit the padded input on axis {axis + 1 + i}")
        return ((*bottoms[0][:axis], channels * int(np.prod(window.kernel)), *out),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Pad; one Gather for each spatial axis, which makes it (kernel, position); Transpose and Reshape."""
        shape = x[0].shape
        (top,) = self.shapes((shape,))
        axis, (channels, *spatial), window = self._split(shape)
        for kernel, size in zip(window.kernel, fixed(top[axis + 1 :]), strict=True):
            check_constant(kernel * size, "the places that its windows read")
        cells = [
            np.arange(kernel)[:, None] * dilation + np.arange(size) * stride
            for kernel, dilation, stride, size in zip(
                window.kernel, window.dilation, window.stride, fixed(top[axis + 1 :]), strict=True
            )
        ]
        ends = [int(c.max()) + 1 - n - pad for c, n, pad in zip(cells, spatial, window.pad, strict=True)]
        value = _padded(e, x[0].name, axis, window.pad, ends)
        for i, indices in enumerate(cells):
            value = e.op("Gather", value, e.constant(indices, "cells", np.int64), axis=axis + 1 + 2 * i)
        kernels = [axis + 1 + 2 * i for i in range(len(cells))]
        value = e.op("Transpose", value, perm=[*range(axis + 1), *kernels, *(k + 1 for k in kernels)])
        apart = (*shape[:axis], channels, *window.kernel, *top[axis + 1 :])
        return [e.reshape(value, apart, top)]


def _padded(e: Emitter, x: str, axis: int, starts: Sequence[int], ends: Sequence[int]) -> str:
    """Zeros around the axes behind ``axis``; behind each as many as its windows reach, be it more or less than in front."""
    if not any(starts) and max(ends) <= 0:
        return x
    in_front = [0] * (axis + 1)
    return str(e.op("Pad", x, e.ints([*in_front, *starts, *in_front, *(max(0, end) for end in ends)], "pads")))


@dataclass(frozen=True, slots=True)
class Axpy(Layer):
    """``a * x + y`` with one ``a`` for each channel of each item (SENet's layer)."""

    BOTTOMS = (3, 3)

    @classmethod
    def read(cls, source: Source) -> Self:
        """No parameters."""
        refuse_in_place(source)
        return cls()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """That of x and y."""
        a, x, y = bottoms
        require(x == y, f"x is {show(x)} and y is {show(y)}; they must have one shape")
        fits = len(x) >= 2 and a[:2] == x[:2] and all(dim == 1 for dim in a[2:])
        require(fits, f"the factors are {show(a)}, but x has {show(x[:2])} channels")
        return (x,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul and Add."""
        a, data, y = x
        factor = e.reshape(a.name, a.shape, (*a.shape[:2], *(1,) * (len(data.shape) - 2)))
        return [e.op("Add", e.op("Mul", factor, data.name), y.name)]


@dataclass(frozen=True, slots=True)
class ShuffleChannel(Layer):
    """Channels, seen as ``group`` rows, taken column by column (ShuffleNet's layer); the top always has 4 axes."""

    group: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``shuffle_channel_param``."""
        p = source.shuffle_channel_param
        only(p, {"group"})
        refuse_in_place(source)
        require(p.group > 0, "group must be greater than 0")
        return cls(p.group)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, filled up to 4 axes."""
        x = bottoms[0]
        require(2 <= len(x) <= 4, f"it takes blobs of 2 to 4 axes, its bottom has {len(x)}")
        (channels,) = fixed(x[1:2])
        require(channels % self.group == 0, f"{channels} channels are no multiple of group {self.group}")
        return ((*x, *(1,) * (4 - len(x))),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape, Transpose, Reshape."""
        (top,) = self.shapes((x[0].shape,))
        n, (channels,), spatial = top[0], fixed(top[1:2]), top[2:]
        rows, columns = self.group, channels // self.group
        value = e.reshape(x[0].name, x[0].shape, (n, rows, columns, *spatial))
        value = e.op("Transpose", value, perm=[0, 2, 1, 3, 4])
        return [e.reshape(value, (n, columns, rows, *spatial), top)]


LAYERS: dict[str, type[Layer]] = {"Im2col": Im2col, "Axpy": Axpy, "ShuffleChannel": ShuffleChannel}
