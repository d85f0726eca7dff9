"""Eltwise: one blob from several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.arithmetic import filled
from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Shape


@dataclass(frozen=True, slots=True)
class Eltwise(Layer):
    """Product, sum with coefficients or maximum of blobs of one shape (eltwise_layer.cpp).

    BVLC's does not broadcast. synopsys-caffe's puts its second bottom on the first one's axes from ``axis`` on, as Scale
    does, and knows quotients and minima, too.

    Attributes:
        operation: PROD, SUM, MAX, DIV or MIN.
        coeff: what the terms of a sum are multiplied by.
        axis: the first axis that the second bottom has in the first one.
    """

    BOTTOMS = (2, None)
    RESTRICTIONS = (
        "SUM, MAX and MIN not in place (Caffe clears the bottom before it reads it); no integers of synopsys'"
    )

    operation: str = "SUM"
    coeff: tuple[float, ...] = ()
    axis: int = 0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``eltwise_param``; coefficients are refused for PROD, as Caffe does, and mean nothing for MAX."""
        p = source.eltwise_param
        only(p, ("axis",))
        operation = p.DESCRIPTOR.fields_by_name["operation"].enum_type.values_by_number[p.operation].name
        if operation not in _OPERATORS:
            raise UnsupportedError(f"its operation is a fork's; {', '.join(_OPERATORS)} are supported")
        if operation not in ("PROD", "DIV"):
            refuse_in_place(source)
        require(operation != "DIV" or source.bottoms == 2, "a quotient is of 2 bottoms")
        coeff = tuple(p.coeff)
        require(len(coeff) in (0, source.bottoms), f"it has {source.bottoms} bottoms but {len(coeff)} coefficients")
        require(not coeff or operation in ("SUM", "MAX"), "coefficients are for operation: SUM")
        return cls(operation, coeff if operation == "SUM" else (), p.axis)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """That of the first bottom."""
        first, second = bottoms[:2]
        axis = self._axis(first)
        fits = first[axis : axis + len(second)] == second
        require(fits, f"its bottoms are {show(first)} and {show(second)}; they must have one shape{self._from(axis)}")
        for shape in bottoms[2:]:
            require(shape == first, f"its bottoms are {show(first)} and {show(shape)}; they must have one shape")
        return (first,)

    def _axis(self, first: Shape) -> int:
        return canonical_axis(self.axis, len(first)) if first else 0

    def _from(self, axis: int) -> str:
        return f" (in synopsys' Caffe from axis {axis} of the first one on)"

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        if bottoms[0] != bottoms[1]:
            yield taken_for("synopsys' Eltwise, which broadcasts its second bottom", "by the shapes of its bottoms")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Max or Min, or Mul, Div, Add and Sub from the left to the right, which is Caffe's order."""
        behind = len(x[0].shape) - self._axis(x[0].shape) - len(x[1].shape)
        names = [t.name for t in x]
        if x[0].shape != x[1].shape and behind:
            names[1] = e.reshape(x[1].name, x[1].shape, (*x[1].shape, *(1,) * behind))
        if self.operation in ("MAX", "MIN"):
            return [e.op(_OPERATORS[self.operation], *names)]
        if self.operation == "SUM":
            return [self._sum(e, x[0], names, spread=x[0].shape != x[1].shape)]
        y = names[0]
        for name in names[1:]:
            y = e.op(_OPERATORS[self.operation], y, name)
        return [y]

    def _sum(self, e: Emitter, like: Tensor, names: Sequence[str], *, spread: bool) -> str:
        # BLAS's axpy does not look at a blob whose coefficient is 0: infinities in it do not matter.
        terms = [(name, c) for name, c in zip(names, self.coeff or (1.0,) * len(names), strict=True) if c != 0]
        y: str | None = None
        if spread and terms and terms[0][0] != names[0]:
            y = filled(e, like, np.float32(0))
        for name, c in terms:
            term = name if abs(c) == 1 else e.op("Mul", name, e.constant(abs(c), "coeff"))
            if y is None:
                y = term if c > 0 else str(e.op("Neg", term))
                continue
            y = str(e.op("Add" if c > 0 else "Sub", y, term))
        return y if y is not None else filled(e, like, np.float32(0))


_OPERATORS = {"PROD": "Mul", "SUM": "Add", "MAX": "Max", "DIV": "Div", "MIN": "Min"}
"""Operation → ONNX's operator."""

LAYERS: dict[str, type[Layer]] = {"Eltwise": Eltwise}
