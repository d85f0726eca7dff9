"""Layers that scale: BatchNorm, Scale, Bias, LRN, MVN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .filler import weight
from .forks import fused_batch_norm, scales
from .layer import canonical, expect, legacy_shape, matrix
from .pool import average, planes

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule


def batch_norm(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """batch_norm_layer.cpp: (x - mean) / sqrt(variance + eps) over all axes but the channels.

    Stored statistics in TEST, those of the batch (variance by N, not N - 1) in TRAIN; ``use_global_stats`` goes first.
    """
    x, p = bottoms[0], layer.parameter.batch_norm_param
    if len(blobs) in (2, 4, 5) or (not blobs and scales(layer)):
        return fused_batch_norm(layer, bottoms, blobs)
    stored = p.use_global_stats if p.HasField("use_global_stats") else layer.phase == "TEST"
    mean, variance = _stored(layer, blobs, _channels(x)) if stored else _of_batch(x)
    if not p.add_eps_before_sqrt:  # synopsys-caffe's batch_norm_layer.cpp
        return [(x - _along(mean, x)) / (np.sqrt(_along(variance, x)) + p.eps)]
    return [_normalized(x, mean, variance, p.eps)]


def _channels(x: Array) -> int:
    return x.shape[1] if x.ndim > 1 else 1


def _along(values: Array, x: Array) -> Array:
    """One value a channel, shaped to meet ``x``."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else values.reshape(1)


def _normalized(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    y = x - _along(mean, x)
    y /= np.sqrt(_along(variance, x) + eps)
    return np.asarray(y)


def _stored(layer: Layer, blobs: Blobs, channels: int) -> tuple[Array, Array]:
    """Blobs 0 and 1 are sums, blob 2 what to divide them by; 0 there makes both 0, and so do missing blobs."""
    mean, variance = (weight(layer, blobs, i, (channels,), 0) for i in (0, 1))
    total = float(weight(layer, blobs, 2, (1,), 0)[0])
    factor = 0.0 if total == 0 else 1 / total
    return mean * factor, variance * factor


def _of_batch(x: Array) -> tuple[Array, Array]:
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean = x.mean(axes, keepdims=True)
    return mean, np.square(x - mean).mean(axes)


def scale(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """scale_layer.cpp: times blob 0 or times the second bottom, then plus the bias, the last blob."""
    expect(layer, bottoms, 1, 2)
    x, p = bottoms[0], layer.parameter.scale_param
    factor, axis = _operand(layer, bottoms, blobs, p, 1.0)
    y = x * _spread(factor, axis, x)
    if p.bias_term:
        bias = weight(layer, blobs, 2 - len(bottoms), factor.shape, p.bias_filler)
        y += _spread(bias, axis, x)
    return [y]


def bias(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """bias_layer.cpp: plus blob 0 or the second bottom."""
    expect(layer, bottoms, 1, 2)
    added, axis = _operand(layer, bottoms, blobs, layer.parameter.bias_param, 0.0)
    return [bottoms[0] + _spread(added, axis, bottoms[0])]


def _operand(layer: Layer, bottoms: list[Array], blobs: Blobs, p: Any, default: float) -> tuple[Array, int]:
    """What ``x`` meets and from which axis on; ``num_axes`` counts for a blob only, a second bottom has its own."""
    x = bottoms[0]
    if len(bottoms) == 2:
        axis = canonical(p.axis, x.ndim) if bottoms[1].ndim else 0
        if x.shape[axis : axis + bottoms[1].ndim] != bottoms[1].shape:
            raise InvalidNetError(f"the second bottom is {bottoms[1].shape}, not {x.shape} from axis {axis} on")
        return bottoms[1], axis
    axis = canonical(p.axis, x.ndim)
    end = x.ndim if p.num_axes == -1 else axis + p.num_axes
    if p.num_axes < -1 or end > x.ndim:
        raise InvalidNetError(f"num_axes {p.num_axes} from axis {axis} is out of range for {x.ndim} axes")
    return weight(layer, blobs, 0, x.shape[axis:end], p.filler if p.HasField("filler") else default), axis


def _spread(values: Array, axis: int, x: Array) -> Array:
    return values.reshape(*values.shape, *(1,) * (x.ndim - axis - values.ndim))


def lrn(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """lrn_layer.cpp: x by (k + alpha / size * sum of squares)^beta over channels, or over a square with k always 1."""
    x, p = bottoms[0], layer.parameter.lrn_param
    if p.local_size % 2 == 0:
        raise InvalidNetError(f"local_size {p.local_size} is not odd")
    if x.ndim != 4:
        raise InvalidNetError(f"LRN needs a bottom of 4 axes, not {x.ndim}")
    half = p.local_size // 2
    if p.norm_region == p.DESCRIPTOR.enum_values_by_name["WITHIN_CHANNEL"].number:
        plane = planes(x, (p.local_size,) * 2, (1, 1), (half, half), floor=False)
        return [x * np.power(1 + p.alpha * average(x * x, plane), layer.dtype.type(-p.beta))]
    squares = np.pad(x * x, ((0, 0), (half, half), (0, 0), (0, 0)))
    total = np.zeros_like(x)
    for shift in range(p.local_size):
        total += squares[:, shift : shift + x.shape[1]]
    return [x * np.power(p.k + p.alpha / p.local_size * total, layer.dtype.type(-p.beta))]


def mvn(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """mvn_layer.cpp: minus the mean of each plane (or each item), by its deviation plus eps; 4 axes.

    The eps is outside of the root, inside with a fork's ``add_eps_before_sqrt``. Whatever axes the bottom has, the top has four.
    """
    p = layer.parameter.mvn_param
    shape = legacy_shape(bottoms[0])
    x = matrix(bottoms[0].reshape(shape), 1 if p.across_channels else 2)
    y = x - x.mean(1, keepdims=True)
    if p.normalize_variance:
        variance = np.square(y).mean(1, keepdims=True)
        y = y / (np.sqrt(variance + p.eps) if p.add_eps_before_sqrt else np.sqrt(variance) + p.eps)
    return [y.reshape(shape)]


LAYERS: dict[str, Rule] = {"BatchNorm": batch_norm, "Bias": bias, "LRN": lrn, "MVN": mvn, "Scale": scale}

DISCONTINUOUS: frozenset[str] = frozenset()
