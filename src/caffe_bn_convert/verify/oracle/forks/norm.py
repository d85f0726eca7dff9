"""Normalising layers of forks: BN's dialects, BatchNorm with other blobs than BVLC's three, SSD's Normalize, GRN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a BatchNorm of some fork computes with, each (C,).

    Attributes:
        mean: to subtract.
        variance: to divide by the root of.
        scale: factor after that.
        shift: summand after that.
    """

    mean: Array
    variance: Array
    scale: Array
    shift: Array


class _Filler:
    """A block like ``scale_filler { type: … value: … }`` as :func:`filler.fill` reads it."""

    def __init__(self, given: Fields) -> None:
        self.type, self.value = given.word("type", "constant"), given.number("value", 0)


def filler(given: Fields, name: str, default: float) -> Any:
    """The filler ``name`` of a fork's parameter, or a constant if it is not given."""
    return _Filler(given.inner(name)) if given.has(name) else default


def per_channel(values: Array, x: Array) -> Array:
    """(C,) in a shape that meets ``x`` at axis 1."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


def minibatch(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel over everything else."""
    axes = (0, *range(2, x.ndim))
    return x.mean(axis=axes), x.var(axis=axes)


def batch_norm_blobs(layer: Layer, blobs: Blobs) -> Statistics:
    """What the blobs of a ``BatchNorm`` that hasn't three of them mean; told apart by their number and sizes.

    ====== ================================ ====================================================================
    blobs  order                            whose
    ====== ================================ ====================================================================
    2      mean, var                        OpenCV reads them so; no factor
    4      mean, var, factor, scale         Intel with ``bias_term: false`` (the third has one element)
    4      mean, var, scale, shift          OpenCV reads them so; no factor
    5      scale, shift, mean, var, (1,)    NVIDIA 0.15 and Vitis AI (the fifth has one element)
    5      mean, var, (1,), scale, shift    NVIDIA 0.16 and 0.17, with ``scale_bias`` or a filler: third blob ignored
    5      mean, var, factor, scale, shift  Intel
    ====== ================================ ====================================================================
    """
    values = [None if blob is None else blob.astype(layer.dtype).reshape(-1) for blob in blobs]
    found = [value for value in values if value is not None]
    if len(found) != len(values) or len(found) not in (2, 4, 5):
        raise InvalidNetError(f"no fork's BatchNorm has {len(found)} blobs")
    one = np.ones(max(value.size for value in found), layer.dtype)
    if len(found) == 5 and found[4].size == 1 and (found[2].size != 1 or one.size == 1):
        return Statistics(found[2], found[3], found[0], found[1])
    if len(found) == 2 or (len(found) == 4 and (found[2].size != 1 or one.size == 1)):
        scale, shift = (found[2], found[3]) if len(found) == 4 else (one, 0 * one)
        return Statistics(found[0], found[1], scale, shift)
    factor = _factor(layer, float(found[2][0]))
    return Statistics(found[0] * factor, found[1] * factor, found[3], found[4] if len(found) == 5 else 0 * one)


def _factor(layer: Layer, stored: float) -> float:
    given = fields(layer, "batch_norm_param")
    nvidia = given.flag("scale_bias", default=False) or given.has("scale_filler") or given.has("bias_filler")
    return 1.0 if nvidia else 0.0 if stored == 0 else 1 / stored


def scales(layer: Layer) -> bool:
    """Whether NVIDIA's newer BatchNorm scales: by ``scale_bias``, or because its scale has a filler."""
    given = fields(layer, "batch_norm_param")
    return given.flag("scale_bias", default=False) or given.has("scale_filler")


def _nvidias_fillers(layer: Layer, channels: int) -> Statistics:
    """The blobs of NVIDIA's 0.16 before there are weights: no statistics, scale 1 and bias 0 unless fillers say else."""
    given = fields(layer, "batch_norm_param")
    none = np.zeros(channels, layer.dtype)
    named = (("scale_filler", 1.0), ("bias_filler", 0.0))
    scale, shift = (weight(layer, (), 0, (channels,), filler(given, name, default)) for name, default in named)
    return Statistics(none, none, scale, shift)


def fused_batch_norm(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``BatchNorm`` whose blobs aren't three: normalise, then scale and shift (batch_norm_layer.cpp of the forks).

    NVIDIA's forks use the stored statistics in TEST whatever ``use_global_stats`` says, and never an eps below 1e-5.
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "batch_norm_param"), bottoms[0]
    channels = x.shape[1] if x.ndim > 1 else 1
    stored = batch_norm_blobs(layer, blobs) if blobs else _nvidias_fillers(layer, channels)
    if any(part.size != channels for part in (stored.mean, stored.variance, stored.scale, stored.shift)):
        raise InvalidNetError(f"the blobs of BatchNorm do not have {channels} elements")
    third = blobs[2] if len(blobs) == 5 else None
    nvidia = scales(layer) and (not blobs or (third is not None and third.size == 1))
    eps = given.number("eps", 1e-5)
    eps = max(eps, float(np.float32(1e-5))) if nvidia else eps
    mean, variance = stored.mean, stored.variance
    if layer.phase == "TRAIN" or (not nvidia and not given.flag("use_global_stats", default=True)):
        mean, variance = minibatch(x)
    normal = (x - per_channel(mean, x)) / np.sqrt(per_channel(variance, x) + layer.dtype.type(eps))
    return [normal * per_channel(stored.scale, x) + per_channel(stored.shift, x)]


def bn(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``BN``: SegNet's with two blobs or ``bn_mode``, else PSPNet's; synopsys' bn_layer.cpp has both, by ``icnet``."""
    expect(layer, bottoms, 1)
    given = fields(layer, "bn_param")
    if given.has("moving_average") or given.has("across_spatial") or given.has("var_eps"):
        raise UnsupportedError("bn_param.moving_average, across_spatial and var_eps are of a BN without statistics")
    marks = any(given.has(name) for name in ("bn_mode", "scale_filler", "shift_filler"))
    segnet = len(blobs) == 2 or (not blobs and marks and not given.flag("icnet", default=False))
    return _bn_segnet(layer, given, bottoms[0], blobs) if segnet else [_bn_pspnet(layer, given, bottoms[0], blobs)]


def _bn_segnet(layer: Layer, given: Fields, x: Array, blobs: Blobs) -> list[Array]:
    """caffe-segnet's bn_layer.cpp: INFERENCE only scales and shifts; LEARN normalises by the batch, in TEST too.

    Tops 1 and 2 are what LEARN found: mean and variance, E(X^2) - (EX)^2, without eps. INFERENCE does not write them.
    """
    channels = legacy_shape(x)[1]
    scale = weight(layer, blobs, 0, (channels,), filler(given, "scale_filler", 0.0))
    shift = weight(layer, blobs, 1, (channels,), filler(given, "shift_filler", 0.0))
    found: list[Array] = []
    if given.word("bn_mode", "LEARN") not in ("INFERENCE", "1"):
        found = list(minibatch(x))
        x = (x - per_channel(found[0], x)) / np.sqrt(per_channel(found[1], x) + layer.dtype.type(1e-9))
    y = x * per_channel(scale, x) + per_channel(shift, x)
    return [y, *(moment.reshape(1, -1, 1, 1) for moment in found)][: layer.tops]


def _bn_pspnet(layer: Layer, given: Fields, x: Array, blobs: Blobs) -> Array:
    """PSPNet's bn_layer.cpp: blobs slope, bias, mean, variance; stored statistics unless it trains and isn't frozen."""
    channels, frozen = legacy_shape(x)[1], given.flag("frozen", default=False)
    fillers = (filler(given, "slope_filler", 0.0), filler(given, "bias_filler", 0.0), 0.0, float(frozen))
    slope, bias, mean, variance = (weight(layer, blobs, index, (channels,), each) for index, each in enumerate(fillers))
    if layer.phase == "TRAIN" and not frozen:
        mean, variance = minibatch(x)
    eps = layer.dtype.type(given.number("eps", 1e-5))
    normal = (x - per_channel(mean, x)) * per_channel((variance + eps) ** layer.dtype.type(-0.5), x)
    return normal * per_channel(slope, x) + per_channel(bias, x)


def normalize(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``Normalize`` of SSD (normalize_layer.cpp): x / sqrt(sum(x²) + eps) · scale, over C, H, W or over C alone.

    With ``normalize_param`` it is caffe-windows' layer of the same name: no blobs, over C, eps 1e-6, L1 or L2; its
    second top is the norm.
    """
    expect(layer, bottoms, 1)
    x = bottoms[0]
    channels = legacy_shape(x)[1]
    other = fields(layer, "normalize_param")
    if layer.text is not None and layer.text.block("normalize_param") is not None:
        return _normalize_windows(layer, other, x)
    given = fields(layer, "norm_param")
    across = given.flag("across_spatial", default=True)
    shape = () if given.flag("channel_shared", default=True) else (channels,)
    scale = weight(layer, blobs, 0, shape, filler(given, "scale_filler", 1.0))
    total = np.square(x).sum(axis=tuple(range(1, x.ndim)) if across else 1, keepdims=True)
    normal = x / np.sqrt(total + layer.dtype.type(given.number("eps", 1e-10)))
    return [normal * (per_channel(scale, x) if shape else scale)]


def _normalize_windows(layer: Layer, given: Fields, x: Array) -> list[Array]:
    kind = given.word("normalize_type", "L2")
    if kind not in ("L1", "L2"):
        raise InvalidNetError(f"normalize_type {kind} is unknown")
    eps = layer.dtype.type(1e-6)
    x = x.reshape(legacy_shape(x))
    squared = kind == "L2"
    total = (np.square(x) if squared else np.abs(x)).sum(axis=1, keepdims=True) + eps
    norm = np.sqrt(total) if squared else total
    return [x / norm, norm]


def grn(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``GRN`` of OpenVINO's forks (grn_layer.cpp): x / sqrt(sum(x²) + bias) over the channels.

    Those forks disagree about the default of ``bias``, so it must be given.
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "grn_param"), bottoms[0]
    if not given.has("bias"):
        raise UnsupportedError("GRN without grn_param.bias: its default differs between forks", hint="give the bias")
    total = np.square(x).sum(axis=1, keepdims=True) + layer.dtype.type(given.number("bias", 1))
    return [x / np.sqrt(total)]
