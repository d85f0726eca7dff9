"""How a pooling window moves along one axis (pooling_layer.cpp, Reshape)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.net.dim import Dim, ceil_div
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from typing_extensions import Self

    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Axis:
    """A window on its way along one axis.

    Attributes:
        kernel, stride, pad: as in the prototxt.
        pad_end: the padding behind.
        ceil: whether the number of windows is rounded up.
        clip: whether a last window that starts behind the padded image is dropped. Caffe does that on both axes as soon
            as either has padding, and not at all without: then the last window can lie wholly outside.
    """

    kernel: int
    stride: int
    pad: int
    ceil: bool
    clip: bool
    pad_end: int

    @classmethod
    def same(cls, kernel: int, stride: int, size: int) -> Self:
        """TensorFlow's SAME: one window for each stride begun, the padding on both sides, the odd cell of it behind."""
        pad = max(kernel - (size % stride or stride), 0)
        return cls(kernel, stride, pad // 2, ceil=False, clip=False, pad_end=pad - pad // 2)

    def windows(self, size: Dim) -> Dim:
        """How many windows there are along an axis of ``size``."""
        if self._clipped:
            return ceil_div(size + self.pad, self.stride)
        span = size + self.pad + self.pad_end - self.kernel
        count = (ceil_div(span, self.stride) if self.ceil else span // self.stride) + 1
        if not isinstance(size, int) and self.ceil and self.stride > self.kernel:
            raise UnsupportedError(
                "whether its last window lies outside the image depends on the size, which is dynamic",
                hint="give the input a number for this axis with --shape",
            )
        return count

    @property
    def _clipped(self) -> bool:
        """Whether the last window is the last one that begins before ``size``.

        Rounding up and dropping leaves the smaller of ``ceil((size + pad + pad_end - kernel) / stride) + 1`` and
        ``ceil((size + pad) / stride)``, and which that is does not depend on the size.
        """
        return self.ceil and self.clip and self.pad_end + self.stride > self.kernel

    def end(self, size: Dim) -> int:
        """The padding behind the image that gives ONNX just these windows with ``ceil_mode=0``."""
        if isinstance(size, int):
            count = int(self.windows(size))
            return max(0, (count - 1) * self.stride + self.kernel - size - self.pad)
        return self.kernel - 1 if self._clipped else self.pad_end + (self.stride - 1 if self.ceil else 0)

    def cells(self, size: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For every window how many cells of the image it holds, and how many Caffe divides by.

        Caffe counts padding in front and up to ``pad`` behind the image, but not what sticks out further.
        """
        count = int(self.windows(size))
        check_constant(count, "the map of its windows")
        start = np.arange(count) * self.stride - self.pad
        divisor = np.minimum(start + self.kernel, size + self.pad_end) - start
        held = np.minimum(start + self.kernel, size) - np.maximum(start, 0)
        return held, divisor

    def real(self, size: int) -> int:
        """How many windows hold at least one cell of the image."""
        return int((self.cells(size)[0] > 0).sum())

    def ratio(self, e: Emitter, x: Tensor, y: str, axis: int) -> str:
        """``cells`` when the net runs: for every window of ``y`` the cells it holds by what Caffe divides by."""

        def number(value: int) -> str:
            return e.constant(value, "number", np.int64)

        one = e.ints([axis], "axis")
        size, count = (e.op("Squeeze", e.op("Gather", e.op("Shape", value), one, axis=0)) for value in (x.name, y))
        start = e.op(
            "Sub", e.op("Mul", e.op("Range", number(0), count, number(1)), number(self.stride)), number(self.pad)
        )
        behind = e.op("Add", start, number(self.kernel))
        held = e.op("Sub", e.op("Min", behind, size), e.op("Max", start, number(0)))
        divisor = e.op("Sub", e.op("Min", behind, e.op("Add", size, number(self.pad))), start)
        return str(e.op("Div", e.op("Cast", held, to=1), e.op("Cast", divisor, to=1)))
