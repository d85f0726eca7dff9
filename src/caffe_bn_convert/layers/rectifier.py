"""ReLU and its kin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


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

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001, where BVLC's refuses the bottom."""
        if len(bottoms[0]) > 4:
            yield taken_for("Intel's PReLU, which takes volumes", f"by its bottom of {len(bottoms[0])} axes")

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


def leaky(e: Emitter, x: str, slope: float) -> str:
    """Relu, or LeakyRelu where there is a slope."""
    return str(e.op("LeakyRelu", x, alpha=slope) if slope else e.op("Relu", x))


LAYERS: dict[str, type[Layer]] = {"ReLU": ReLU, "ReLU6": ReLU6, "PReLU": PReLU, "ELU": ELU}
