"""Bilinear pooling (Hierarchical Bilinear Pooling, after compact_bilinear_pooling): SumPooling, SignedSqrt, L2Normalize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.pool_fields import check_fields, pair
from caffe_bn_convert.layers.separable import by_matrices
from caffe_bn_convert.net.dim import Shape, ceil_div, fixed
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

EPS = 1e-7


@dataclass(frozen=True, slots=True)
class SumPooling(Layer):
    """The sum of each window (sum_pooling_layer.cpp); the last one may stick out, or lie outside, where all is 0.

    Attributes:
        kernel: height and width of a window; None for the whole plane.
        stride: from window to window.
    """

    RESTRICTIONS = "pool: SUM; fixed height and width, unless global_pooling"

    kernel: tuple[int, int] | None
    stride: tuple[int, int]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``sum_pooling_param``.

        Raises:
            UnsupportedError: it is another pooling.
        """
        refuse_in_place(source)
        p = source.sum_pooling_param
        method = p.DESCRIPTOR.fields_by_name["pool"].enum_type.values_by_number[p.pool].name
        if method != "SUM":
            raise UnsupportedError(f"SumPooling with pool: {method} is not supported", hint="Pooling computes the same")
        kernel, stride, pad = pair(p, "kernel"), pair(p, "stride"), pair(p, "pad")
        check_fields(p, kernel, stride, pad)
        require(pad == (0, 0), "SumPooling has no padding for sums")
        return cls(None if p.global_pooling else kernel, stride)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """One cell for each window."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        return ((*x[:2], *self._windows(x)),)

    def _windows(self, x: Shape) -> Shape:
        if self.kernel is None:
            return 1, 1
        steps = zip(fixed(x[2:]), self.kernel, self.stride, strict=True)
        counts = tuple(int(ceil_div(size - kernel, stride)) + 1 for size, kernel, stride in steps)
        require(min(counts) > 0, "the window does not fit the image")
        return counts

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceSum, or two MatMul with matrices of 0 and 1."""
        windows = self._windows(x[0].shape)
        if self.kernel is None or windows == (1, 1):
            return [e.reduce("Sum", x[0].name, [2, 3], keepdims=True)]
        rows, columns = (
            _covers(count, size, kernel, stride)
            for count, size, kernel, stride in zip(
                fixed(windows), fixed(x[0].shape[2:]), self.kernel, self.stride, strict=True
            )
        )
        return [by_matrices(e, x[0].name, rows, columns)]


def _covers(count: int, size: int, kernel: int, stride: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(windows, cells): 1 where the window has the cell."""
    check_constant(count * size, "the map of its windows")
    offset = np.arange(size) - np.arange(count)[:, None] * stride
    return ((offset >= 0) & (offset < kernel)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SignedSqrt(Layer):
    """The root of the size, with the sign (signed_sqrt_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        refuse_in_place(source)
        return cls()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Sign, Abs, Sqrt and Mul."""
        return [e.op("Mul", e.op("Sign", x[0].name), e.op("Sqrt", e.op("Abs", x[0].name)))]


@dataclass(frozen=True, slots=True)
class L2Normalize(Layer):
    """Each item by the root of the sum of its squares + 1e-7 (l2_normalize_layer.cpp)."""

    RESTRICTIONS = "up to 4 axes, as in Caffe"

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        refuse_in_place(source)
        return cls()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, filled up to 4 axes."""
        x = bottoms[0]
        require(0 < len(x) <= 4, f"it takes blobs of up to 4 axes, its bottom has {len(x)}")
        return ((*x, *(1,) * (4 - len(x))),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceSumSquare, Add, Sqrt and Div."""
        value = e.reshape(x[0].name, x[0].shape, self.shapes((x[0].shape,))[0])
        total = e.op("Add", e.reduce("SumSquare", value, [1, 2, 3], keepdims=True), e.constant(EPS, "eps"))
        return [e.op("Div", value, e.op("Sqrt", total))]


LAYERS: dict[str, type[Layer]] = {"SumPooling": SumPooling, "SignedSqrt": SignedSqrt, "L2Normalize": L2Normalize}
