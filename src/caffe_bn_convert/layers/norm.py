"""BatchNorm, Scale and Bias: the layers that `fold_batchnorm` joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.norm_forks import read_batch_norm
from caffe_bn_convert.layers.normalized import emit_batch_normalization, normalized_by_batch
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.dim import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Dim, Shape

    Float64 = np.ndarray[Any, np.dtype[np.float64]]


def channels(shape: Shape) -> Dim:
    """How many channels BatchNorm sees; a 1-D blob is a single channel."""
    return shape[1] if len(shape) > 1 else 1


def statistics(w: Sequence[Blob]) -> tuple[Float64, Float64]:
    """Mean and variance of Caffe's three blobs: sums, divided by the moving-average factor; by nothing if that is 0.

    Source: batch_norm_layer.cpp, Forward_cpu: ``scale_factor = blobs_[2] == 0 ? 0 : 1 / blobs_[2]``. A factor of 0
    thus gives mean 0 and variance 0. Computed in float64.
    """
    inverse = _inverse(float(w[2].read64()[0]))
    return w[0].read64() * inverse, w[1].read64() * inverse


def _inverse(factor: float) -> float:
    return 0.0 if factor == 0 else 1.0 / factor


@dataclass(frozen=True, slots=True)
class BatchNorm(Layer):
    """Normalisation by stored statistics, or by those of the batch.

    Attributes:
        eps: added to the variance, or to its root.
        batch_statistics: mean and biased variance of the batch instead of the stored ones.
        said: whether the prototxt says ``use_global_stats: false``, or a phase implies it.
        outside: synopsys' ``add_eps_before_sqrt: false``: the divisor is the variance's root, plus eps.
    """

    eps: float
    batch_statistics: bool = False
    said: bool = False
    outside: bool = False

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``batch_norm_param``; use_global_stats defaults to "phase is TEST".

        Blobs other than BVLC's three make it a fork's layer, see :mod:`caffe_bn_convert.layers.norm_forks`.
        """
        fork = read_batch_norm(source)
        if fork is not None:
            return fork
        p = source.batch_norm_param
        for spec in source.definition.parameter.param:
            require(spec.lr_mult == 0, "a param has lr_mult other than 0; Caffe refuses to learn BatchNorm's statistics",
                    "write param { lr_mult: 0 } three times, or none; `caffe-bn-convert lint --fix` does")  # fmt: skip
        stored = p.use_global_stats if p.HasField("use_global_stats") else source.phase == "TEST"
        return cls(
            float(np.float32(p.eps)),
            not stored,
            p.HasField("use_global_stats") or source.definition.parameter.HasField("phase"),
            not p.add_eps_before_sqrt,
        )

    def normal(self, w: Sequence[Blob]) -> tuple[Float64, Float64, float]:
        """Mean, and the variance and eps the root of whose sum is divided by, as ONNX has it."""
        mean, variance = statistics(w)
        if self.outside:
            with np.errstate(invalid="ignore"):  # BN009 tells of variances below 0
                return mean, np.square(np.sqrt(variance) + self.eps), 0.0
        return mean, variance, self.eps

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Mean and variance per channel, both multiplied by the factor, and the factor."""
        require(len(bottoms[0]) > 0, "its bottom has no axes")
        c = channels(bottoms[0])
        return Parameter("mean", (c,)), Parameter("variance", (c,)), Parameter("factor", (1,))

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """BN001, BN002, BN004, BN009; DIA001 where it is synopsys'."""
        if self.outside:
            yield taken_for("synopsys' BatchNorm, which adds eps to the root", "by add_eps_before_sqrt: false")
        if self.batch_statistics:
            if self.said:
                yield Finding("BN004", "it normalises by the statistics of the batch (use_global_stats: false)")
            return
        factor = float(w[2].read64()[0])
        if factor == 0:
            yield Finding("BN001", "its third blob, the moving-average factor, is 0: it never saw data")
        elif not factor > 0 or np.isinf(factor):
            yield Finding("BN002", f"its third blob, the moving-average factor, is {factor:g}")
        _, variance, eps = self.normal(w)
        bad = np.flatnonzero(~(variance + eps > 0))
        if len(bad):
            yield Finding("BN009", f"variance + eps is not above 0 in {len(bad)} channels, the first is {bad[0]}")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """BatchNormalization, or ReduceMean and friends for the statistics of the batch."""
        if self.batch_statistics:
            return [normalized_by_batch(e, x[0], self.eps, outside=self.outside)]
        mean, variance, eps = self.normal(w)
        one = np.ones_like(mean)
        return [emit_batch_normalization(e, x[0], one, one * 0, mean, variance, eps)]


@dataclass(frozen=True, slots=True)
class BatchNormalization(Layer):
    """A BatchNorm with all the Scale and Bias layers behind it, as ONNX has it. Blobs: scale, bias, mean, variance."""

    eps: float

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """One node."""
        scale, bias, mean, variance = (blob.read64() for blob in w)
        return [emit_batch_normalization(e, x[0], scale, bias, mean, variance, self.eps)]


@dataclass(frozen=True, slots=True)
class Scale(Layer):
    """Multiplication by a learned blob or by a second bottom, which spans the axes from ``axis`` on (scale_layer.cpp).

    Attributes:
        axis: the first axis of the factor in the first bottom.
        num_axes: how many axes a learned factor spans; -1 is all, 0 a single number. Ignored with two bottoms.
        bias: whether a learned bias of the factor's shape is added.
        two: whether the factor is the second bottom.
    """

    BOTTOMS = (1, 2)

    axis: int
    num_axes: int
    bias: bool
    two: bool
    filler: Filler = Filler(value=1.0)
    bias_filler: Filler = Filler()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``scale_param``."""
        p = source.scale_param
        only(p, ())
        return cls(
            p.axis,
            p.num_axes,
            p.bias_term,
            source.bottoms == 2,
            Filler.read(p, "filler", 1.0),
            Filler.read(p, "bias_filler"),
        )

    def span(self, bottoms: Shapes) -> tuple[int, int]:
        """The first axis of the factor and how many axes it spans."""
        return _span(self.axis, self.num_axes, bottoms)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The factor where it is learned, and the bias."""
        axis, count = self.span(bottoms)
        shape = bottoms[0][axis : axis + count]
        scale = () if self.two else (Parameter("scale", shape, self.filler),)
        return (*scale, Parameter("bias", shape, self.bias_filler)) if self.bias else scale

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Mul, and Add for the bias."""
        axis, count = self.span(tuple(t.shape for t in x))
        factor = (
            _aligned(e, x[1], axis, count, x[0]) if self.two else _aligned_weight(e, w[0], "scale", axis, count, x[0])
        )
        y = str(e.op("Mul", x[0].name, factor))
        return [str(e.op("Add", y, _aligned_weight(e, w[-1], "bias", axis, count, x[0]))) if self.bias else y]


@dataclass(frozen=True, slots=True)
class Bias(Layer):
    """Addition of a learned blob or of a second bottom (bias_layer.cpp); the axes are Scale's."""

    BOTTOMS = (1, 2)

    axis: int
    num_axes: int
    two: bool
    filler: Filler = Filler()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``bias_param``."""
        p = source.bias_param
        only(p, ())
        return cls(p.axis, p.num_axes, source.bottoms == 2, Filler.read(p, "filler"))

    def span(self, bottoms: Shapes) -> tuple[int, int]:
        """The first axis of the summand and how many axes it spans."""
        return _span(self.axis, self.num_axes, bottoms)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The summand where it is learned."""
        axis, count = self.span(bottoms)
        return () if self.two else (Parameter("bias", bottoms[0][axis : axis + count], self.filler),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Add."""
        axis, count = self.span(tuple(t.shape for t in x))
        summand = (
            _aligned(e, x[1], axis, count, x[0]) if self.two else _aligned_weight(e, w[0], "bias", axis, count, x[0])
        )
        return [e.op("Add", x[0].name, summand)]


def _span(axis: int, num_axes: int, bottoms: Shapes) -> tuple[int, int]:
    rank = len(bottoms[0])
    if len(bottoms) == 2 and not bottoms[1]:
        return 0, 0  # a scalar: Caffe does not look at the axis
    first = canonical_axis(axis, rank)
    if len(bottoms) == 1:
        require(num_axes >= -1, f"num_axes {num_axes} is below -1")
        count = rank - first if num_axes == -1 else num_axes
        require(first + count <= rank, f"axis {axis} and num_axes {num_axes} reach beyond the bottom's {rank} axes")
        return first, count
    count = len(bottoms[1])
    require(
        bottoms[0][first : first + count] == bottoms[1],
        f"the second bottom is {show(bottoms[1])}, but the first has {show(bottoms[0][first:])} from axis {axis} on",
    )
    return first, count


def _aligned(e: Emitter, value: Tensor, axis: int, count: int, x: Tensor) -> str:
    """``value`` with ones behind its axes, so that ONNX's broadcasting puts them where Caffe does."""
    trailing = (1,) * (len(x.shape) - axis - count)
    return e.reshape(value.name, value.shape, (*value.shape, *trailing))


def _aligned_weight(e: Emitter, blob: Blob, role: str, axis: int, count: int, x: Tensor) -> str:
    return e.weight(blob, role, (*blob.shape, *(1,) * (len(x.shape) - axis - count)))


LAYERS: dict[str, type[Layer]] = {"BatchNorm": BatchNorm, "Scale": Scale, "Bias": Bias}
