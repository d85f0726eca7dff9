"""Layers that reduce axes: ArgMax and Reduction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.arithmetic import linear
from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Dim, volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ArgMax(Layer):
    """Indices of the ``top_k`` largest values, as floats, or the values (argmax_layer.cpp).

    Of equal values the one with the largest index comes first. Without an axis everything behind the batch is one row,
    and ``out_max_val`` gives a row of indices and a row of values; with an axis it gives the values alone.
    """

    axis: int | None = None
    top_k: int = 1
    out_max_val: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``argmax_param``."""
        p = source.argmax_param
        only(p, ())
        refuse_in_place(source)
        require(p.top_k >= 1, "top_k must be at least 1")
        return cls(p.axis if p.HasField("axis") else None, p.top_k, p.out_max_val)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """``top_k`` along the axis; without one N x (1 or 2) x top_k, and ones up to the bottom's number of axes."""
        x = bottoms[0]
        if self.axis is None:
            self._check(volume(x[1:]))
            return ((x[0], 2 if self.out_max_val else 1, self.top_k, *(1,) * (len(x) - 3)),)
        axis = canonical_axis(self.axis, len(x))
        self._check(x[axis])
        return ((*x[:axis], self.top_k, *x[axis + 1 :]),)

    def _check(self, size: Dim) -> None:
        require(
            not isinstance(size, int) or self.top_k <= size,
            f"top_k {self.top_k} is more than the {size} values there are",
        )

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ArgMax and ReduceMax for one value, TopK for several."""
        shape = x[0].shape
        if self.axis is not None:
            axis = canonical_axis(self.axis, len(shape))
            values, indices = self._best(e, x[0].name, axis, shape[axis])
            return [values() if self.out_max_val else indices()]
        (top,) = self.shapes((shape,))
        values, indices = self._best(e, e.flatten_to(x[0], 1), 1, volume(shape[1:]))
        old, row = (shape[0], self.top_k), (shape[0], 1, *top[2:])
        rows = [e.reshape(part(), old, row) for part in ((indices, values) if self.out_max_val else (indices,))]
        return [rows[0] if len(rows) == 1 else e.op("Concat", *rows, axis=1)]

    def _best(self, e: Emitter, x: str, axis: int, size: Dim) -> tuple[Callable[[], str], Callable[[], str]]:
        """What emits the values, and what emits their indices."""
        if self.top_k == 1:
            return (
                lambda: e.reduce("Max", x, [axis], keepdims=True),
                lambda: str(e.op("Cast", e.op("ArgMax", x, axis=axis, keepdims=1, select_last_index=1), to=1)),
            )
        values, backward = self._top(e, x, axis)
        return lambda: values, lambda: str(e.op("Cast", e.op("Sub", _last(e, x, axis, size), backward), to=1))

    def _top(self, e: Emitter, x: str, axis: int) -> tuple[str, str]:
        # TopK prefers the lowest index among equals, Caffe the highest: so the axis is turned around first.
        turned = e.op("Slice", x, e.ints([-1]), e.ints([np.iinfo(np.int64).min]), e.ints([axis]), e.ints([-1]))
        values, indices = e.op("TopK", turned, e.ints([self.top_k], "k"), axis=axis, outputs=2)
        return values, indices


def _last(e: Emitter, x: str, axis: int, size: Dim) -> str:
    """The last index along an axis."""
    if isinstance(size, int):
        return e.constant(size - 1, "last", np.int64)
    return str(e.op("Sub", e.op("Gather", e.op("Shape", x), e.ints([axis], "axis"), axis=0), e.ints([1], "one")))


@dataclass(frozen=True, slots=True)
class Reduction(Layer):
    """Sum, sum of absolute values or of squares, or mean of everything from ``axis`` on, times ``coeff``."""

    operation: str = "Sum"
    axis: int = 0
    coeff: float = 1.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``reduction_param``."""
        p = source.reduction_param
        only(p, ())
        refuse_in_place(source)
        operation = {1: "Sum", 2: "L1", 3: "SumSquare", 4: "Mean"}.get(p.operation)
        if operation is None:
            raise UnsupportedError("its operation is a fork's; SUM, ASUM, SUMSQ and MEAN are supported")
        return cls(operation, p.axis, p.coeff)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The axes before ``axis``; a single number without axes for axis 0."""
        return (bottoms[0][: canonical_axis(self.axis, len(bottoms[0]))],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceSum, ReduceL1, ReduceSumSquare or ReduceMean, and Mul."""
        rank = len(x[0].shape)
        axes = range(canonical_axis(self.axis, rank), rank)
        return [linear(e, e.reduce(self.operation, x[0].name, axes, keepdims=False), self.coeff)]


LAYERS: dict[str, type[Layer]] = {
    "ArgMax": ArgMax,
    "Reduction": Reduction,
}
