"""TensorFlow's resizing as synopsys-caffe has it: ResizeBilinear, ResizeNearestNeighbor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape

F32 = np.float32
_FIELDS = ("align_corners", "output_height", "output_width", "data_format", "scale_height", "scale_width",
           "half_pixel_centers")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resizing(Layer):
    """What both share.

    Attributes:
        size: height and width of the top; None where they are scaled.
        scale: what the bottom's are multiplied by.
        plane: the axes of height and width: 2 and 3, or 1 and 2 for NHWC, which is the default.
        corners: where the cells' centres are, in the words of ONNX's Resize.
    """

    RESTRICTIONS = "4-D, fixed height and width"

    size: tuple[int | None, int | None]
    scale: tuple[float, float]
    plane: tuple[int, int]
    corners: str

    @classmethod
    def _made(cls, source: Source, p: Any) -> Self:
        refuse_in_place(source)
        if p.data_format not in ("NHWC", "NCHW"):
            raise UnsupportedError(f'data_format "{p.data_format}" is not supported; NHWC and NCHW are')
        pytorch = bool(getattr(p, "pytorch_half_pixel", False))
        chosen = p.align_corners + p.half_pixel_centers + pytorch
        require(chosen <= 1, "align_corners and half pixel centres exclude each other")
        corners = (
            "align_corners" if p.align_corners
            else "half_pixel" if p.half_pixel_centers
            else "pytorch_half_pixel" if pytorch else "asymmetric"
        )  # fmt: skip
        height = int(p.output_height) if p.HasField("output_height") else None
        width = int(p.output_width) if p.HasField("output_width") else None
        plane = (1, 2) if p.data_format == "NHWC" else (2, 3)
        return cls((height, width), (p.scale_height, p.scale_width), plane, corners)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with another height and width."""
        x = list(bottoms[0])
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        for axis, size, scale in zip(self.plane, self.size, self.scale, strict=True):
            if size is None:
                size = int(np.floor(F32(fixed((x[axis],))[0]) * F32(scale)))
            require(size > 0, f"its top would have a size of {size}")
            x[axis] = size
        return (tuple(x),)

    def _sizes(self, shape: Shape) -> list[tuple[int, int, int]]:
        """Axis, old size and new size of the axes that change."""
        new = self.shapes((shape,))[0]
        return [(axis, fixed((shape[axis],))[0], fixed((new[axis],))[0]) for axis in self.plane]


@dataclass(frozen=True, slots=True)
class ResizeBilinear(Resizing):
    """Bilinear interpolation (resize_bilinear_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``resize_bilinear_param``."""
        p = source.resize_bilinear_param
        only(p, (*_FIELDS, "pytorch_half_pixel"))
        return cls._made(source, p)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Resize, between two Transpose for NHWC."""
        last = self.plane == (1, 2)
        value = e.op("Transpose", x[0].name, perm=[0, 3, 1, 2]) if last else x[0].name
        (new,) = self.shapes((x[0].shape,))
        height, width = (e.ints(fixed((new[axis],)), "size") for axis in self.plane)
        outer = e.slice(e.op("Shape", value), [0], [2], [0])
        sizes = e.op("Concat", outer, height, width, axis=0)
        value = e.op("Resize", value, "", "", sizes, mode="linear", coordinate_transformation_mode=self.corners)
        return [e.op("Transpose", value, perm=[0, 2, 3, 1]) if last else value]


@dataclass(frozen=True, slots=True)
class ResizeNearestNeighbor(Resizing):
    """Nearest neighbours (resize_nearest_neighbor_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``resize_nearest_neighbor_param``."""
        p = source.resize_nearest_neighbor_param
        only(p, _FIELDS)
        return cls._made(source, p)

    def _places(self, old: int, new: int) -> Any:
        """For every cell of the top the bottom's, by the float32 arithmetic of the fork: rounding decides."""
        cells = np.arange(new, dtype=F32)
        if self.corners == "align_corners" and new > 1:
            place = cells * F32(F32(old - 1) / F32(new - 1))
        else:
            half = F32(0.5 if self.corners == "half_pixel" else 0)
            place = (cells + half) * F32(F32(old) / F32(new))
        # C's roundf takes halves away from zero.
        place = np.floor(place + F32(0.5)) if self.corners == "align_corners" else np.floor(place)
        return np.clip(place, 0, old - 1).astype(np.int64)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Gather along each axis: the rounding of ONNX's Resize is not the fork's."""
        value = x[0].name
        for axis, old, new in self._sizes(x[0].shape):
            if old != new:
                value = e.op("Gather", value, e.constant(self._places(old, new), "cells", np.int64), axis=axis)
        return [value]


LAYERS: dict[str, type[Layer]] = {
    "ResizeBilinear": ResizeBilinear,
    "ResizeNearestNeighbor": ResizeNearestNeighbor,
}
