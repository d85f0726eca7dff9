"""Power, Exp and Log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.arithmetic import filled, linear
from caffe_bn_convert.layers.base import Layer, Source, require
from caffe_bn_convert.layers.dialect import only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


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
        only(p, ())
        return cls(p.power, p.scale, p.shift)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul, Add and Pow, those that do something."""
        with np.errstate(all="ignore"):
            if np.float32(self.power) * np.float32(self.scale) == 0:
                return [
                    filled(e, x[0], np.float32(1 if self.power == 0 else np.power(np.float64(self.shift), self.power)))
                ]
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


def _log_base(base: float) -> np.float64:
    require(base == -1 or 0 < base < np.inf, f"base {base:g} is not a positive number")
    return np.float64(1) if base == -1 else np.log(np.float64(base))


LAYERS: dict[str, type[Layer]] = {"Power": Power, "Exp": Exp, "Log": Log}
