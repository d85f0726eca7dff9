"""Layers of forks that combine several bottoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.detect.openpose import highest
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def axpy(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Axpy`` of SENet (axpy_layer.cpp): a·x + y with one factor for each image and channel."""
    expect(layer, bottoms, 3)
    a, x, y = bottoms
    if a.shape[:2] != x.shape[:2] or a.size != x.shape[0] * x.shape[1] or x.shape != y.shape:
        raise InvalidNetError(f"Axpy takes a (N, C), x and y alike, not {a.shape}, {x.shape} and {y.shape}")
    return [a.reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * x + y]


def _pair(layer: Layer, bottoms: list[Array], blobs: Blobs) -> tuple[Array, Array]:
    """Both operands of synopsys-caffe's Add, Mul and Maximum; aligned at the last axis, sizes equal or 1."""
    expect(layer, bottoms, 1, 2)
    if len(bottoms) == 2:
        other = bottoms[1]
    elif layer.parameter.type == "Mul":
        other = weight(layer, blobs, 0, tuple(fields(layer, "mul_param").integers("mul_shape")), None)
    elif blobs and blobs[0] is not None:
        other = blobs[0].astype(layer.dtype)
    else:
        raise UnsupportedError(f"{layer.parameter.type} with one bottom and no blob is another fork's layer")
    try:
        np.broadcast_shapes(bottoms[0].shape, other.shape)
    except ValueError:
        raise InvalidNetError(f"{bottoms[0].shape} and {other.shape} do not match: axes must be equal or 1") from None
    return bottoms[0], other


def add(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``Add`` (add_layer.cpp), broadcasting."""
    a, b = _pair(layer, bottoms, blobs)
    return [a + b]


def mul(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``Mul`` (mul_layer.cpp), broadcasting; with one bottom times its blob."""
    a, b = _pair(layer, bottoms, blobs)
    return [a * b]


def maximum(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``Maximum`` (maximum_layer.cpp), broadcasting; of one bottom and no blobs OpenPose's."""
    if len(bottoms) == 1 and not blobs:
        return [highest(bottoms[0])]
    a, b = _pair(layer, bottoms, blobs)
    return [np.maximum(a, b)]


def mask_pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``MaskPooling`` of MNC (mask_pooling_layer.cu): every channel times the mask."""
    expect(layer, bottoms, 2)
    x, mask = bottoms
    n, _, h, w = legacy_shape(x)
    if mask.size != n * h * w:
        raise InvalidNetError(f"MaskPooling's mask must be {(n, 1, h, w)}, not {mask.shape}")
    return [x.reshape(legacy_shape(x)) * mask.reshape(n, 1, h, w)]


def channel_scale(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``ChannelScale`` of caffe-windows (channel_scale_layer.cpp): every channel times the second bottom.

    With ``global_scale`` times one stored number within its limits, which is also the second top; with
    ``do_forward: false`` nothing at all.
    """
    expect(layer, bottoms, 2)
    given, (x, factor) = fields(layer, "channel_scale_param"), bottoms
    n, c, h, w = legacy_shape(x)
    if factor.size * c != x.size or factor.shape[0] != n:
        raise InvalidNetError(f"ChannelScale's second bottom must have {n * h * w} elements, not {factor.shape}")
    if not given.flag("do_forward", default=True):
        return [x]
    if given.flag("global_scale", default=False):
        limits = given.number("min_global_scale", 0), given.number("max_global_scale", 1000)
        one = weight(layer, blobs, 0, (1,), -1.0).clip(*limits)
        return [x * one, one]
    return [(x.reshape(n, c, h, w) * factor.reshape(n, 1, h, w)).reshape(x.shape)]
