"""Functions of single elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.arithmetic import linear
from caffe_bn_convert.layers.base import Layer, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Sigmoid(Layer):
    """The logistic function."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Looks at ``sigmoid_param`` for forks' fields."""
        only(source.sigmoid_param, ())
        return cls()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Sigmoid."""
        return [e.op("Sigmoid", x[0].name)]


@dataclass(frozen=True, slots=True)
class TanH(Layer):
    """The hyperbolic tangent."""

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Tanh."""
        return [e.op("Tanh", x[0].name)]


@dataclass(frozen=True, slots=True)
class AbsVal(Layer):
    """The absolute value; Caffe stops if it works in place."""

    RESTRICTIONS = "not in place, as in Caffe"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Nothing but the check."""
        refuse_in_place(source)
        return cls()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Abs."""
        return [e.op("Abs", x[0].name)]


@dataclass(frozen=True, slots=True)
class BNLL(Layer):
    """``log(1 + exp(x))`` by the branch that does not overflow, which is also how onnxruntime computes Softplus."""

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Softplus."""
        return [e.op("Softplus", x[0].name)]


@dataclass(frozen=True, slots=True)
class Clip(Layer):
    """``max(min, min(x, max))`` (clip_layer.cpp)."""

    least: float
    most: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``clip_param``, whose fields are both required."""
        p = source.clip_param
        require(p.HasField("min") and p.HasField("max"), "clip_param needs min and max")
        return cls(p.min, p.max)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Clip; where min is above max ONNX leaves the result open and Caffe gives min, so Min and Max there."""
        least, most = e.constant(self.least, "min"), e.constant(self.most, "max")
        if self.least <= self.most:
            return [e.op("Clip", x[0].name, least, most)]
        return [e.op("Max", e.op("Min", x[0].name, most), least)]


@dataclass(frozen=True, slots=True)
class Threshold(Layer):
    """1 where x is greater than ``threshold``, else 0."""

    threshold: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``threshold_param``."""
        only(source.threshold_param, ())
        return cls(source.threshold_param.threshold)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Greater, as float."""
        return [e.op("Cast", e.op("Greater", x[0].name, e.constant(self.threshold, "threshold")), to=1)]


@dataclass(frozen=True, slots=True)
class Swish(Layer):
    """``x * sigmoid(beta * x)``."""

    beta: float = 1.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``swish_param``."""
        return cls(source.swish_param.beta)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Sigmoid and Mul: ONNX's own Swish has no kernel in onnxruntime."""
        return [e.op("Mul", x[0].name, e.op("Sigmoid", linear(e, x[0].name, self.beta)))]


LAYERS: dict[str, type[Layer]] = {
    "Sigmoid": Sigmoid,
    "TanH": TanH,
    "AbsVal": AbsVal,
    "BNLL": BNLL,
    "Clip": Clip,
    "Threshold": Threshold,
    "Swish": Swish,
}
