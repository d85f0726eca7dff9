"""Eltwise: one blob from several of the same shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.arithmetic import filled
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Eltwise(Layer):
    """Product, sum with coefficients or maximum of blobs of one shape; Caffe does not broadcast (eltwise_layer.cpp)."""

    BOTTOMS = (2, None)
    RESTRICTIONS = "SUM and MAX not in place (Caffe clears the bottom before it reads it)"

    operation: str = "SUM"
    coeff: tuple[float, ...] = ()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``eltwise_param``; coefficients are refused for PROD, as Caffe does, and mean nothing for MAX."""
        p = source.eltwise_param
        only(p, ())
        operation = {0: "PROD", 1: "SUM", 2: "MAX"}.get(p.operation)
        if operation is None:
            raise UnsupportedError("its operation is a fork's; PROD, SUM and MAX are supported")
        if operation != "PROD":
            refuse_in_place(source)
        coeff = tuple(p.coeff)
        require(len(coeff) in (0, source.bottoms), f"it has {source.bottoms} bottoms but {len(coeff)} coefficients")
        require(not coeff or operation != "PROD", "coefficients are for operation: SUM")
        return cls(operation, coeff if operation == "SUM" else ())

    def shapes(self, bottoms: Shapes) -> Shapes:
        """That of all bottoms."""
        for shape in bottoms:
            require(
                shape == bottoms[0], f"its bottoms are {show(bottoms[0])} and {show(shape)}; they must have one shape"
            )
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Max, or Mul, Add and Sub from the left to the right, which is Caffe's order."""
        names = [t.name for t in x]
        if self.operation == "MAX":
            return [e.op("Max", *names)]
        if self.operation == "PROD":
            y = names[0]
            for name in names[1:]:
                y = e.op("Mul", y, name)
            return [y]
        return [self._sum(e, x[0], names)]

    def _sum(self, e: Emitter, like: Tensor, names: Sequence[str]) -> str:
        # BLAS's axpy does not look at a blob whose coefficient is 0: infinities in it do not matter.
        terms = [(name, c) for name, c in zip(names, self.coeff or (1.0,) * len(names), strict=True) if c != 0]
        y: str | None = None
        for name, c in terms:
            term = name if abs(c) == 1 else e.op("Mul", name, e.constant(abs(c), "coeff"))
            if y is None:
                y = term if c > 0 else str(e.op("Neg", term))
                continue
            y = str(e.op("Add" if c > 0 else "Sub", y, term))
        return y if y is not None else filled(e, like, np.float32(0))


LAYERS: dict[str, type[Layer]] = {"Eltwise": Eltwise}
