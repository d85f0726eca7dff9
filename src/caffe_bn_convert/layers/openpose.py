"""OpenPose's layers (caffe_rtpose): ImResize, by what its CUDA kernel computes, and Switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
class Switch(Layer):
    """One of the bottoms: the last one, until a program that holds the net takes another (switch_layer.cpp)."""

    BOTTOMS = (1, None)
    RESTRICTIONS = "OpenPose's, of bottoms of one shape; always the last one"

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Theirs."""
        same = all(shape == bottoms[0] for shape in bottoms)
        require(same, "its bottoms differ in shape; a Switch whose last bottom tells which to take is another fork's")
        return (bottoms[-1],)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("OpenPose's Switch, which nobody switches: its last bottom", "by bottoms of one shape")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """No arithmetic."""
        return [x[-1].name]


LAYERS: dict[str, type[Layer]] = {"ImResize": ImResize, "Switch": Switch}
