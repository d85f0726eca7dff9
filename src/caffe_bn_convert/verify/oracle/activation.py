"""Functions of single elements, and PReLU and Softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .fields import fields
from .filler import weight
from .layer import canonical, expect, unsupported

if TYPE_CHECKING:
    from .layer import Array, Blobs, Layer, Rule


def absval(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """absval_layer.cpp: refuses to work in place."""
    if layer.parameter.bottom[0] == layer.parameter.top[0]:
        raise InvalidNetError("AbsVal does not work in place")
    return [np.abs(bottoms[0])]


def bnll(_layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """bnll_layer.cpp: log(1 + e^x), by the branch that does not overflow."""
    x = bottoms[0]
    return [np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))]


def clip(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """clip_layer.cpp: max(min, min(x, max)), so min where min > max."""
    p = layer.parameter.clip_param
    return [np.maximum(np.minimum(bottoms[0], p.max), p.min)]


def dropout(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """dropout_layer.cpp: the identity in TEST; random in TRAIN, so refused there.

    fast-rcnn and others have ``scale_train``: false moves the factor (1 - ratio) from training to testing. SegNet's
    ``sample_weights_test`` draws in TEST, too; what is rendered is its other branch, which copies.
    """
    p = layer.parameter.dropout_param
    if layer.phase == "TRAIN":
        raise unsupported("Dropout in the TRAIN phase is random")
    keeps = fields(layer, "dropout_param").flag("scale_train", default=True)
    return [bottoms[0] if keeps else bottoms[0] * (1 - p.dropout_ratio)]


def elu(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """elu_layer.cpp: max(x, 0) + alpha * (e^min(x, 0) - 1)."""
    x = bottoms[0]
    return [np.maximum(x, 0) + layer.parameter.elu_param.alpha * (np.exp(np.minimum(x, 0)) - 1)]


def exp(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """exp_layer.cpp: base^(shift + scale * x); base -1 stands for e."""
    p = layer.parameter.exp_param
    _positive_base(p.base)
    log_base = 1.0 if p.base == -1 else math.log(p.base)
    outer = 1.0 if p.shift == 0 else math.exp(log_base * p.shift)
    return [np.exp(bottoms[0] * (log_base * p.scale)) * outer]


def log(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """log_layer.cpp: log to the base of (shift + scale * x); base -1 stands for e."""
    p = layer.parameter.log_param
    _positive_base(p.base)
    factor = 1.0 if p.base == -1 else 1 / math.log(p.base)
    return [np.log(bottoms[0] * p.scale + p.shift) * factor]


def power(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """power_layer.cpp: (shift + scale * x)^power; a constant, whatever x is, where power * scale is 0."""
    p = layer.parameter.power_param
    if p.power * p.scale == 0:
        value = 1.0 if p.power == 0 else np.power(np.float64(p.shift), p.power)
        return [np.full_like(bottoms[0], value)]
    y = bottoms[0] * p.scale + p.shift
    return [y if p.power == 1 else np.power(y, layer.dtype.type(p.power))]


def prelu(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """prelu_layer.cpp: max(x, 0) + slope * min(x, 0), one slope a channel or for all.

    BVLC's takes 2 to 4 axes, the forks' with volumes (Intel's) more: the channels are always axis 1.
    """
    x, p = bottoms[0], layer.parameter.prelu_param
    if x.ndim < 2:
        raise InvalidNetError("PReLU needs a bottom of at least 2 axes")
    channels = x.shape[1]
    shape = () if p.channel_shared else (channels,)
    slope = weight(layer, blobs, 0, shape, p.filler if p.HasField("filler") else 0.25)
    if not p.channel_shared:
        slope = slope.reshape(channels, *(1,) * (x.ndim - 2))
    return [np.maximum(x, 0) + slope * np.minimum(x, 0)]


def relu(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """relu_layer.cpp: max(x, 0) + negative_slope * min(x, 0), for any slope; at most 6 with synopsys-caffe's relu6."""
    x, slope = bottoms[0], layer.parameter.relu_param.negative_slope
    y = np.maximum(x, 0)
    y = y + slope * np.minimum(x, 0) if slope else y
    return [np.minimum(y, 6) if fields(layer, "relu_param").flag("relu6", default=False) else y]


def sigmoid(_layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """sigmoid_layer.cpp: 0.5 * tanh(0.5 * x) + 0.5."""
    return [logistic(bottoms[0])]


def softmax(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """softmax_layer.cpp."""
    return [softened(bottoms[0], layer.parameter.softmax_param.axis)]


def swish(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """swish_layer.cpp: x * sigmoid(beta * x)."""
    x = bottoms[0]
    return [x * logistic(x * layer.parameter.swish_param.beta)]


def tanh(_layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """tanh_layer.cpp."""
    return [np.tanh(bottoms[0])]


def threshold(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """threshold_layer.cpp: 1 where x is strictly greater, else 0."""
    return [(bottoms[0] > layer.parameter.threshold_param.threshold).astype(layer.dtype)]


def logistic(x: Array) -> Array:
    """The logistic function as sigmoid_layer.hpp computes it."""
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5)


def softened(x: Array, axis: int) -> Array:
    """Softmax along one axis, the maximum taken off first."""
    axis = canonical(axis, x.ndim)
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def _positive_base(base: float) -> None:
    if base != -1 and base <= 0:
        raise InvalidNetError(f"base {base} is not positive")


def _one(rule: Rule) -> Rule:
    """The rule, told to take exactly one bottom."""

    def checked(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
        expect(layer, bottoms, 1)
        return rule(layer, bottoms, blobs)

    return checked


LAYERS: dict[str, Rule] = {
    "AbsVal": _one(absval),
    "BNLL": _one(bnll),
    "Clip": _one(clip),
    "Dropout": _one(dropout),
    "ELU": _one(elu),
    "Exp": _one(exp),
    "Log": _one(log),
    "PReLU": _one(prelu),
    "Power": _one(power),
    "ReLU": _one(relu),
    "Sigmoid": _one(sigmoid),
    "Softmax": _one(softmax),
    "Swish": _one(swish),
    "TanH": _one(tanh),
    "Threshold": _one(threshold),
}

DISCONTINUOUS = frozenset({"Threshold"})
