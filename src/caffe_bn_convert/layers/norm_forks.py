"""BatchNorm and BN as forks have them: the number and the sizes of the blobs tell which fork's it is.

====== ================================= =================================================================
blobs  order                             whose
====== ================================= =================================================================
2      mean, variance                    nets that others converted to Caffe; no factor
4      mean, variance, factor, scale     Intel's with ``bias_term: false``; the third has one element
4      mean, variance, scale, bias       nets that others converted to Caffe; no factor
5      scale, bias, mean, variance, (1)  NVIDIA's 0.15 and Xilinx's; the fifth has one element
5      mean, variance, (1), scale, bias  NVIDIA's 0.16 and 0.17: the third blob counts for nothing
5      mean, variance, factor, scale,    Intel's: the third blob is Caffe's factor
       bias
BN, 4  scale, bias, mean, variance       PSPNet's, and synopsys' with ``icnet: true``
BN, 2  scale, bias                       SegNet's: ``INFERENCE`` scales only, ``LEARN`` normalises by the batch
====== ================================= =================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.normalized import emit_batch_normalization, normalized_with_statistics
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

    BlobShapes = tuple[tuple[int, ...], ...]

# cuDNN's CUDNN_BN_MIN_EPSILON, as float32.
LEAST_EPS = float(np.float32(1e-5))
# caffe-segnet's bn_layer.cpp.
SEGNET_EPS = float(np.float32(1e-9))
_KNOWN = (
    "mean, variance, factor (BVLC); mean, variance; mean, variance, scale, bias; mean, variance, (1), scale (Intel); "
    "mean, variance, (1), scale, bias (NVIDIA 0.16 and Intel); scale, bias, mean, variance, (1) (NVIDIA 0.15, Xilinx)"
)
_KNOWN_BN = "scale, bias, mean, variance (PSPNet) and scale, bias (SegNet)"
_FIELDS = ("scale_filler", "bias_filler", "filler", "use_weight_bias", "bias_term", "update_global_stats", "icnet")


@dataclass(frozen=True, slots=True)
class ForkNorm(Layer):
    """Normalisation, scale and shift in one layer.

    Attributes:
        whose: the fork, for the reader.
        roles: what the blobs are, in their order. "ignored" has one element, which counts for nothing.
        eps: added to the variance.
        batch: whether mean and variance are those of the batch.
        given: the blobs' shapes in the weights; forks write (C) or (1, C, 1, 1).
        factor_is_sure: whether "factor" is known to be divided by; otherwise it must be 1.
        fillers: for each role, where the prototxt may name one.
        tops: how many there are; DeconvNet's second and third are the mean and the variance of the batch.
    """

    whose: str
    roles: tuple[str, ...]
    eps: float
    batch: bool = False
    given: BlobShapes | None = None
    factor_is_sure: bool = True
    fillers: tuple[Filler, ...] = ()
    tops: int = 1

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's; that of mean and variance is 1 x channels x 1 x 1."""
        told = f"mean and variance are of 4-D blobs, its bottom has {len(bottoms[0])} axes"
        require(self.tops == 1 or len(bottoms[0]) == 4, told)
        return (bottoms[0], *[(1, bottoms[0][1], 1, 1)] * (self.tops - 1))

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """One number for each channel and role; for "factor" and "ignored" one at all."""
        require(len(bottoms[0]) >= 2, f"it takes blobs with channels, its bottom has {len(bottoms[0])} axes")
        channels = fixed(bottoms[0][1:2])[0]
        found = []
        for i, role in enumerate(self.roles):
            count = 1 if role in ("factor", "ignored") else channels
            shape: tuple[int, ...] = (count,)
            if self.given is not None and int(np.prod(self.given[i])) == count:
                shape = self.given[i]
            found.append(Parameter(role, shape, self.fillers[i] if self.fillers else Filler()))
        return tuple(found)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001, BN004 and BN009.

        Raises:
            UnsupportedError: nothing tells whether the statistics are to be divided by the third blob.
        """
        yield taken_for(self.whose, f"by its blobs: {', '.join(self.roles) or 'none'}")
        values = self._values(w)
        if "factor" in values and not self.factor_is_sure and float(values["factor"][0]) != 1:
            raise UnsupportedError(
                f"its third blob is {float(values['factor'][0]):g}: Intel's Caffe divides by it, NVIDIA's does not",
                hint="say whose it is: --dialect LAYER=nvidia or --dialect LAYER=intel (or write scale_bias: true or "
                "use_weight_bias: true into batch_norm_param)",
            )
        if self.batch:
            yield Finding("BN004", "it normalises by the statistics of the batch")
        elif "variance" in values:
            bad = np.flatnonzero(~(self._statistics(values)[1] + self.eps > 0))
            if len(bad):
                yield Finding("BN009", f"variance + eps is not above 0 in {len(bad)} channels, the first is {bad[0]}")

    def _values(self, w: Sequence[Blob]) -> dict[str, Any]:
        return {role: blob.read64() for role, blob in zip(self.roles, w, strict=True)}

    def _statistics(self, values: dict[str, Any]) -> tuple[Any, Any]:
        factor = float(values["factor"][0]) if "factor" in values else 1.0
        inverse = 0.0 if factor == 0 else 1.0 / factor
        return values["mean"] * inverse, values["variance"] * inverse

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """BatchNormalization; for statistics of the batch, or without any, Mul and Add."""
        if self.batch:
            value, *moments = normalized_with_statistics(e, x[0], self.eps)
            return [self._scaled(e, value, x[0], w), *moments][: self.tops]
        if "mean" not in self.roles:
            return [self._scaled(e, x[0].name, x[0], w)]
        values = self._values(w)
        mean, variance = self._statistics(values)
        scale, bias = values.get("scale", np.ones_like(mean)), values.get("bias", np.zeros_like(mean))
        return [emit_batch_normalization(e, x[0], scale, bias, mean, variance, self.eps)]

    def _scaled(self, e: Emitter, value: str, x: Tensor, w: Sequence[Blob]) -> str:
        for role, op in (("scale", "Mul"), ("bias", "Add")):
            blob = w[self.roles.index(role)]
            shape = (blob.count, *(1,) * (len(x.shape) - 2))
            value = e.op(op, value, e.weight(blob, role, shape))
        return value


def read_batch_norm(source: Source) -> ForkNorm | None:
    """A ``BatchNorm`` whose blobs are not BVLC's three; None where they are, or where nothing tells.

    Where there are no blobs yet, ``scale_bias`` or ``scale_filler`` tells: NVIDIA's.

    Raises:
        UnsupportedError: no fork is known to have such blobs, or the fork is known but not what it does then.
    """
    shapes, p = source.blob_shapes, source.batch_norm_param
    # With three blobs there is no scale, whatever the fillers are; a scale that is asked for must be there.
    bvlcs = bool(shapes and len(shapes) == 3) or not (shapes or _is_nvidias(p))
    only(p, (*_FIELDS, "add_eps_before_sqrt") if bvlcs else (*_FIELDS, "scale_bias"))
    if bvlcs:
        return None
    layer = _by_blobs(p, shapes, [int(np.prod(shape)) == 1 for shape in shapes]) if shapes else _nvidia(p, None)
    nvidia = layer.whose.startswith("NVIDIA")
    # NVIDIA's newer versions do not look at use_global_stats when they test.
    by_batch = source.phase == "TRAIN" or (p.HasField("use_global_stats") and not p.use_global_stats and not nvidia)
    if by_batch:
        raise UnsupportedError(f"statistics of the batch are not known for {layer.whose}")
    return layer


def _by_blobs(p: Any, shapes: BlobShapes, single: list[bool]) -> ForkNorm:
    eps = float(np.float32(p.eps))
    nvidia = _is_nvidias(p)
    intel = p.HasField("use_weight_bias") or p.HasField("filler") or p.HasField("bias_term")
    count, statistics = len(shapes), ("mean", "variance")
    if count == 2:
        return ForkNorm("a BatchNorm without factor", statistics, eps, given=shapes)
    if count == 4 and not single[0]:
        if single[2]:
            return ForkNorm("Intel's BatchNorm", (*statistics, "factor", "scale"), eps, given=shapes)
        return ForkNorm("a BatchNorm without factor", (*statistics, "scale", "bias"), eps, given=shapes)
    if count == 5 and single[4] and not single[2]:
        return ForkNorm("NVIDIA's BatchNorm of 0.15", ("scale", "bias", *statistics, "ignored"), eps, given=shapes)
    if count == 5 and single[2] and (not single[4] or p.scale_bias):
        if nvidia and not intel:
            return _nvidia(p, shapes)
        roles = (*statistics, "factor", "scale", "bias")
        return ForkNorm("Intel's BatchNorm", roles, eps, given=shapes, factor_is_sure=intel and not nvidia)
    told = ", ".join("×".join(map(str, shape)) or "()" for shape in shapes)
    raise UnsupportedError(
        f"no fork is known whose BatchNorm has {count} blobs of these shapes: {told}", hint=f"known are {_KNOWN}"
    )


def _is_nvidias(p: Any) -> bool:
    """Whether the fields are NVIDIA's; a filler of the scale alone makes it scale (batch_norm_layer.cpp of 0.16)."""
    return bool(p.scale_bias or p.HasField("scale_filler"))


def _nvidia(p: Any, shapes: BlobShapes | None) -> ForkNorm:
    roles = ("mean", "variance", "ignored", "scale", "bias")
    named = Filler.read(p, "scale_filler", 1.0), Filler.read(p, "bias_filler")
    fillers = (Filler(), Filler(), Filler(value=1.0), *named)
    eps = max(float(np.float32(p.eps)), LEAST_EPS)
    return ForkNorm("NVIDIA's BatchNorm of 0.16 and 0.17", roles, eps, given=shapes, fillers=fillers)


@dataclass(frozen=True, slots=True)
class BN(Layer):
    """Two layers of one name: PSPNet's with statistics, SegNet's without."""

    TOPS = (1, 3)
    RESTRICTIONS = "PSPNet's with four blobs and SegNet's with two; more tops than one in mode LEARN only"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``bn_param``: a :class:`ForkNorm`."""
        p, shapes = source.bn_param, source.blob_shapes
        marks = p.HasField("bn_mode") or p.HasField("scale_filler") or p.HasField("shift_filler")
        count = len(shapes) if shapes else 2 if marks and not p.icnet else 4
        if count == 2:
            return _segnet(p, shapes, source.tops)
        if count == 4:
            require(source.tops == 1, "PSPNet's BN makes one top")
            return _pspnet(p, shapes, source.phase)
        raise UnsupportedError(f"no fork is known whose BN has {count} blobs", hint=f"known are {_KNOWN_BN}")


def _segnet(p: Any, shapes: BlobShapes | None, tops: int) -> ForkNorm:
    only(p, ("scale_filler", "shift_filler", "bn_mode"))
    fillers = Filler.read(p, "scale_filler"), Filler.read(p, "shift_filler")
    learns = p.bn_mode == 0
    require(learns or tops == 1, "in mode INFERENCE mean and variance are never written")
    whose = f"SegNet's BN in mode {'LEARN' if learns else 'INFERENCE'}"
    return ForkNorm(whose, ("scale", "bias"), SEGNET_EPS, learns, shapes or None, fillers=fillers, tops=tops)


def _pspnet(p: Any, shapes: BlobShapes | None, phase: str) -> ForkNorm:
    only(p, ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "icnet"))
    fillers = (Filler.read(p, "slope_filler"), Filler.read(p, "bias_filler"), Filler(), Filler(value=float(p.frozen)))
    roles, eps = ("scale", "bias", "mean", "variance"), float(np.float32(p.eps))
    return ForkNorm("PSPNet's BN", roles, eps, phase == "TRAIN" and not p.frozen, shapes or None, fillers=fillers)


LAYERS: dict[str, type[Layer]] = {"BN": BN}
