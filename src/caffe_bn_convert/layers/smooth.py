"""Smooth activations that only forks have: HardSwish, Mish, SeLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.base import Layer, Source
from caffe_bn_convert.layers.dialect import only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class HardSwish(Layer):
    """``x * min(max(x + 3, 0), 6) / 6`` (hard_swish_layer.cpp of synopsys-caffe)."""

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Add, Clip, Mul and Div: ONNX's HardSwish is newer than opset 13, and divides first."""
        moved = e.op("Add", x[0].name, e.constant(3.0, "three"))
        gate = e.op("Clip", moved, e.constant(0.0, "zero"), e.constant(6.0, "six"))
        return [e.op("Div", e.op("Mul", x[0].name, gate), e.constant(6.0, "six"))]


@dataclass(frozen=True, slots=True)
class Mish(Layer):
    """``x * tanh(log(1 + exp(x)))`` (mish_layer.cpp of synopsys-caffe).

    The fork replaces the logarithm by x above 20 and by exp(x) below -20, which is the same in float32.
    """

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Softplus, Tanh and Mul: ONNX's Mish is newer than opset 13."""
        return [e.op("Mul", x[0].name, e.op("Tanh", e.op("Softplus", x[0].name)))]


@dataclass(frozen=True, slots=True)
class SeLU(Layer):
    """``lambda * x`` above 0, ``lambda * alpha * (exp(x) - 1)`` below (selu_layer.cpp of synopsys-caffe and of caffe_latte)."""

    outer: float
    alpha: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``selu_param``."""
        p = source.selu_param
        only(p, ("lambda", "alpha"))
        return cls(float(np.float32(getattr(p, "lambda"))), float(np.float32(p.alpha)))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Selu."""
        return [e.op("Selu", x[0].name, alpha=self.alpha, gamma=self.outer)]


LAYERS: dict[str, type[Layer]] = {"HardSwish": HardSwish, "Mish": Mish, "SeLU": SeLU, "SeLu": SeLU}
