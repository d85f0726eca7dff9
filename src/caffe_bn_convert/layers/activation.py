"""Functions of single elements, PReLU and Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Identity, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.power import linear
from caffe_bn_convert.lint.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ReLU(Layer):
    """``max(x, 0) + negative_slope * min(x, 0)``."""

    negative_slope: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``relu_param``; with synopsys-caffe's ``relu6`` it is a :class:`ReLU6`."""
        p = source.relu_param
        only(p, ("relu6",))
        return ReLU6(p.negative_slope) if p.relu6 else cls(p.negative_slope)

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
        only(source.relu6_param, {"negative_slope"})
        only(source.relu_param, ())
        return cls(source.relu6_param.negative_slope or source.relu_param.negative_slope)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Clip; Min behind LeakyRelu if there is a slope."""
        if self.negative_slope:
            return [e.op("Min", leaky(e, x[0].name, self.negative_slope), e.constant(6.0, "six"))]
        return [e.op("Clip", x[0].name, e.constant(0.0, "zero"), e.constant(6.0, "six"))]


@dataclass(frozen=True, slots=True)
class PReLU(Layer):
    """ReLU with a learned negative slope for each channel, or one for all (prelu_layer.cpp).

    BVLC's reads the number of channels by an accessor for at most 4 axes; Intel's, which has volumes, by the axis.
    """

    RESTRICTIONS = "2 axes or more"

    shared: bool
    filler: Filler = Filler(value=0.25)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``prelu_param``."""
        p = source.prelu_param
        only(p, ())
        return cls(p.channel_shared, Filler.read(p, "filler", 0.25))

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The slopes: one a channel, or a scalar."""
        require(len(bottoms[0]) >= 2, f"PReLU takes blobs of 2 axes or more, its bottom has {len(bottoms[0])}")
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
        only(source.elu_param, ())
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


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Dropout at test time: the identity, or the expectation where the training did not scale.

    fast-rcnn and others have ``scale_train``; false moves the factor from training to testing.
    """

    RESTRICTIONS = "TEST phase only (it is random in TRAIN); `sample_weights_test` by weight averaging only (DROP001)"

    factor: np.float32

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``dropout_param``; where nothing is to do the layer is an :class:`Identity`."""
        p = source.dropout_param
        if source.phase == "TRAIN":
            raise UnsupportedError("Dropout is random in the TRAIN phase", hint="convert the net in the TEST phase")
        harmless = {"scale_train", "sqrt_scale", "random_seed"}
        if p.scale_train:
            only(p, {*harmless, "sample_weights_test"})
            return cast("Self", SampledDropout() if p.sample_weights_test else Identity())
        only(p, harmless)
        return cls(np.float32(1 - p.dropout_ratio))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul."""
        return [e.op("Mul", x[0].name, e.constant(self.factor, "kept"))]


@dataclass(frozen=True, slots=True)
class SampledDropout(Identity):
    """SegNet's Dropout with ``sample_weights_test``, by weight averaging: it scales in training, so nothing is to do."""

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DROP001."""
        yield Finding("DROP001", "it is random at test time, too (sample_weights_test: true, Bayesian SegNet)")


def leaky(e: Emitter, x: str, slope: float) -> str:
    """Relu, or LeakyRelu where there is a slope."""
    return str(e.op("LeakyRelu", x, alpha=slope) if slope else e.op("Relu", x))


LAYERS: dict[str, type[Layer]] = {
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "PReLU": PReLU,
    "ELU": ELU,
    "Sigmoid": Sigmoid,
    "TanH": TanH,
    "AbsVal": AbsVal,
    "BNLL": BNLL,
    "Clip": Clip,
    "Threshold": Threshold,
    "Swish": Swish,
    "Dropout": Dropout,
}
