"""Functions of single elements, PReLU and Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Identity, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.refuse import refuse_fork_fields, refuse_in_place
from caffe_bn_convert.net.dim import fixed, is_fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ReLU(Layer):
    """``max(x, 0) + negative_slope * min(x, 0)``."""

    negative_slope: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``relu_param``."""
        refuse_fork_fields(source.relu_param)
        return cls(source.relu_param.negative_slope)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Relu or LeakyRelu."""
        return [leaky(e, x[0].name, self.negative_slope)]


@dataclass(frozen=True, slots=True)
class ReLU6(Layer):
    """ReLU that saturates at 6 (a layer of forks)."""

    negative_slope: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``relu6_param``; forks that reuse ReLU's message have the slope there."""
        refuse_fork_fields(source.relu6_param, "negative_slope")
        refuse_fork_fields(source.relu_param)
        return cls(source.relu6_param.negative_slope or source.relu_param.negative_slope)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Clip; Min behind LeakyRelu if there is a slope."""
        if self.negative_slope:
            return [e.op("Min", leaky(e, x[0].name, self.negative_slope), e.constant(6.0, "six"))]
        return [e.op("Clip", x[0].name, e.constant(0.0, "zero"), e.constant(6.0, "six"))]


@dataclass(frozen=True, slots=True)
class PReLU(Layer):
    """ReLU with a learned negative slope for each channel, or one for all (prelu_layer.cpp)."""

    RESTRICTIONS = "2 to 4 axes, as in Caffe"

    shared: bool
    filler: Filler = Filler(value=0.25)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``prelu_param``."""
        p = source.prelu_param
        refuse_fork_fields(p)
        return cls(p.channel_shared, Filler.read(p, "filler", 0.25))

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The slopes: one a channel, or a scalar."""
        rank = len(bottoms[0])
        require(2 <= rank <= 4, f"PReLU takes blobs of 2 to 4 axes, its bottom has {rank}")
        return (Parameter("slope", () if self.shared else bottoms[0][1:2], self.filler),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """PRelu; ones behind the channel axis let ONNX broadcast the slopes along it."""
        shape = (1,) if self.shared else (*w[0].shape, *(1,) * (len(x[0].shape) - 2))
        return [e.op("PRelu", x[0].name, e.weight(w[0], "slope", shape))]


@dataclass(frozen=True, slots=True)
class ELU(Layer):
    """``x > 0 ? x : alpha * (exp(x) - 1)``."""

    alpha: float = 1.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``elu_param``."""
        refuse_fork_fields(source.elu_param)
        return cls(source.elu_param.alpha)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Elu."""
        return [e.op("Elu", x[0].name, alpha=self.alpha)]


@dataclass(frozen=True, slots=True)
class Sigmoid(Layer):
    """The logistic function."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Looks at ``sigmoid_param`` for forks' fields."""
        refuse_fork_fields(source.sigmoid_param)
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
class Power(Layer):
    """``(shift + scale * x) ^ power``; a constant, whatever x is, where power * scale is 0 (power_layer.cpp)."""

    power: float = 1.0
    scale: float = 1.0
    shift: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``power_param``."""
        p = source.power_param
        refuse_fork_fields(p)
        return cls(p.power, p.scale, p.shift)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul, Add and Pow, those that do something."""
        with np.errstate(all="ignore"):
            if np.float32(self.power) * np.float32(self.scale) == 0:
                return [filled(e, x[0], np.float32(1 if self.power == 0 else np.power(np.float64(self.shift), self.power)))]
        y = linear(e, x[0].name, self.scale, self.shift)
        return [y if self.power == 1 else e.op("Pow", y, e.constant(self.power, "power"))]


@dataclass(frozen=True, slots=True)
class Exp(Layer):
    """``base ^ (shift + scale * x)``; base -1 stands for e (exp_layer.cpp).

    Attributes:
        inner: what x is multiplied by before e is raised to it.
        outer: what the result is multiplied by.
    """

    inner: np.float32
    outer: np.float32

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``exp_param``; both factors are computed in float64 and rounded once."""
        p = source.exp_param
        log_base = _log_base(p.base)
        with np.errstate(over="ignore"):
            return cls(np.float32(log_base * p.scale), np.float32(np.exp(log_base * p.shift)))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Exp between two Mul, those that do something."""
        return [linear(e, e.op("Exp", linear(e, x[0].name, self.inner)), self.outer)]


@dataclass(frozen=True, slots=True)
class Log(Layer):
    """The logarithm to ``base`` of ``shift + scale * x``; base -1 stands for e (log_layer.cpp)."""

    scale: float
    shift: float
    factor: np.float32

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``log_param``."""
        p = source.log_param
        log_base = _log_base(p.base)
        require(log_base != 0, "there is no logarithm to base 1")
        return cls(p.scale, p.shift, np.float32(1 / log_base))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Log, with Mul and Add around it where they do something."""
        return [linear(e, e.op("Log", linear(e, x[0].name, self.scale, self.shift)), self.factor)]


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
        refuse_fork_fields(source.threshold_param)
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


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Dropout at test time: the identity, or the expectation where the training did not scale.

    fast-rcnn and others have ``scale_train``; false moves the factor from training to testing.
    """

    RESTRICTIONS = "TEST phase only (it is random in TRAIN)"

    factor: np.float32

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``dropout_param``; where nothing is to do the layer is an :class:`Identity`."""
        p = source.dropout_param
        if source.phase == "TRAIN":
            raise UnsupportedError("Dropout is random in the TRAIN phase", hint="convert the net in the TEST phase")
        refuse_fork_fields(p, "scale_train", "sqrt_scale", "random_seed")
        if p.scale_train:
            return cast("Self", Identity())
        return cls(np.float32(1 - p.dropout_ratio))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul."""
        return [e.op("Mul", x[0].name, e.constant(self.factor, "kept"))]


def leaky(e: Emitter, x: str, slope: float) -> str:
    """Relu, or LeakyRelu where there is a slope."""
    return str(e.op("LeakyRelu", x, alpha=slope) if slope else e.op("Relu", x))


def linear(e: Emitter, x: str, scale: float | np.float32, shift: float = 0.0) -> str:
    """``scale * x + shift`` by the nodes that do something."""
    if scale != 1:
        x = str(e.op("Mul", x, e.constant(scale, "scale")))
    return str(e.op("Add", x, e.constant(shift, "shift"))) if shift != 0 else x


def filled(e: Emitter, like: Tensor, value: np.float32) -> str:
    """A tensor of the shape of ``like`` that holds nothing but ``value``."""
    shape = e.ints(fixed(like.shape), "shape") if is_fixed(like.shape) else e.op("Shape", like.name)
    return str(e.op("ConstantOfShape", shape, value=np.array([value], np.float32)))


def _log_base(base: float) -> np.float64:
    require(base == -1 or 0 < base < np.inf, f"base {base:g} is not a positive number")
    return np.float64(1) if base == -1 else np.log(np.float64(base))


LAYERS: dict[str, type[Layer]] = {
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "PReLU": PReLU,
    "ELU": ELU,
    "Sigmoid": Sigmoid,
    "TanH": TanH,
    "AbsVal": AbsVal,
    "BNLL": BNLL,
    "Power": Power,
    "Exp": Exp,
    "Log": Log,
    "Clip": Clip,
    "Threshold": Threshold,
    "Swish": Swish,
    "Dropout": Dropout,
}
