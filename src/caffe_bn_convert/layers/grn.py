"""GRN of OpenVINO's forks, and caffe-windows' Normalize: division by a norm over the channels, without a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class GRN(Layer):
    """``x / sqrt(sum(x^2) + bias)``, the sum over the channels (grn_layer.cpp)."""

    RESTRICTIONS = "bias must be given: forks disagree about its default"

    bias: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``grn_param``."""
        p = source.grn_param
        only(p, ("bias", "dummy_backward"))
        if not p.HasField("bias"):
            raise UnsupportedError("grn_param has no bias, and forks disagree about its default", hint="write the bias")
        require(p.bias >= 0, "bias must not be negative")
        return cls(p.bias)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        require(len(bottoms[0]) >= 2, f"it takes blobs with channels, its bottom has {len(bottoms[0])} axes")
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceSumSquare, Add, Sqrt and Div."""
        total = e.reduce("SumSquare", x[0].name, [1], keepdims=True)
        return [e.op("Div", x[0].name, e.op("Sqrt", e.op("Add", total, e.constant(self.bias, "bias"))))]


@dataclass(frozen=True, slots=True)
class WindowsNormalize(Layer):
    """caffe-windows' Normalize (normalize_layer.cpp of that fork): L2 or L1 over the channels, and perhaps the norm.

    Attributes:
        kind: L2 or L1.
        tops: how many; the second one is the norm.
    """

    TOPS = (1, 2)
    RESTRICTIONS = "4-D"

    kind: str
    tops: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``normalize_param``."""
        p = source.normalize_param
        only(p, ("normalize_type", "fix_gradient", "bp_norm"))
        if p.normalize_type not in ("L1", "L2"):
            raise UnsupportedError(f'normalize_type "{p.normalize_type}" is unknown; L1 and L2 are supported')
        return cls(p.normalize_type, source.tops)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, and one channel."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        return (x, (x[0], 1, *x[2:]))[: self.tops]

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("caffe-windows' Normalize", "by normalize_param")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceSumSquare, Sqrt and Div, or ReduceL1 and Div."""
        squared = self.kind == "L2"
        total = e.reduce("SumSquare" if squared else "L1", x[0].name, [1], keepdims=True)
        norm = e.op("Add", total, e.constant(1e-6, "eps"))
        norm = e.op("Sqrt", norm) if squared else norm
        return [e.op("Div", x[0].name, norm), norm][: self.tops]


LAYERS: dict[str, type[Layer]] = {"GRN": GRN}
