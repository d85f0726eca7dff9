"""The step in front of a net that makes its input of a picture. No Caffe layer: `net.passes.preprocess` adds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes
from caffe_bn_convert.net.dim import is_fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape

NCHW_OF_NHWC = (0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Preprocess(Layer):
    """Crop, order of axes, order of channels, type, mean, scale. The mean, if any, is the only blob, as (C, H, W).

    Attributes:
        size: the net's height and width; the bottom is cut to it where it is larger.
        nhwc: the bottom's channels are its last axis.
        swap: the channels change their order.
        cast: the bottom holds bytes.
        scale: multiplied in the end.
    """

    size: Shape
    nhwc: bool = False
    swap: bool = False
    cast: bool = False
    scale: float = 1.0

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, H, W)."""
        x = bottoms[0]
        return ((x[0], x[3] if self.nhwc else x[1], *self.size),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Slice, Transpose, Gather, Cast, Sub, Mul: those that are needed, bytes as long as possible."""
        value = self._crop(e, x[0])
        if self.nhwc:
            value = e.op("Transpose", value, perm=list(NCHW_OF_NHWC))
        if self.swap:
            channels = int(self.shapes((x[0].shape,))[0][1])
            value = e.op("Gather", value, e.ints(range(channels - 1, -1, -1), "order"), axis=1)
        if self.cast:
            value = e.op("Cast", value, to=1)
        for mean in w:
            value = e.op("Sub", value, e.constant(mean.read().reshape(mean.shape), "mean"))
        if self.scale != 1:
            value = e.op("Mul", value, e.constant(np.float32(self.scale), "scale"))
        return [value]

    def _crop(self, e: Emitter, x: Tensor) -> str:
        axes = (1, 2) if self.nhwc else (2, 3)
        fed = tuple(x.shape[axis] for axis in axes)
        if fed == self.size:
            return x.name
        if is_fixed(fed):
            # data_transformer.cpp: h_off = (height - crop) / 2, in whole numbers
            starts = [(int(a) - int(b)) // 2 for a, b in zip(fed, self.size, strict=True)]
            return e.slice(x.name, starts, [s + int(b) for s, b in zip(starts, self.size, strict=True)], axes)
        target = e.ints([int(b) for b in self.size], "size")
        sizes = e.slice(e.op("Shape", x.name), [axes[0]], [axes[1] + 1], [0])
        first = e.op("Div", e.op("Sub", sizes, target), e.ints([2], "two"))
        return str(e.op("Slice", x.name, first, e.op("Add", first, target), e.ints(axes, "axes")))
