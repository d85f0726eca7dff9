"""Activations of forks, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def relu6(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ReLU6`` (relu6_layer.cpp): min(max(x, 0) + slope·min(x, 0), 6); ``relu6_param.n`` is another limit (OpenVINO).

    The slope is ``negative_slope`` of ``relu6_param`` or, in forks that share the parameter, of ``relu_param``.
    """
    expect(layer, bottoms, 1)
    own = fields(layer, "relu6_param")
    slope = own.number("negative_slope", fields(layer, "relu_param").number("negative_slope", 0))
    x, zero = bottoms[0], layer.dtype.type(0)
    leaky = np.maximum(x, zero) + layer.dtype.type(slope) * np.minimum(x, zero)
    return [np.minimum(leaky, layer.dtype.type(own.number("n", 6)))]


def hard_swish(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``HardSwish`` (synopsys-caffe's hard_swish_layer.cpp): x·min(max(x + 3, 0), 6) / 6."""
    expect(layer, bottoms, 1)
    x = bottoms[0]
    return [x * np.clip(x + layer.dtype.type(3), 0, 6) / layer.dtype.type(6)]


def mish(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Mish`` (synopsys-caffe's mish_layer.cpp): x·tanh(softplus(x)), with softplus cut short beyond ±20."""
    expect(layer, bottoms, 1)
    x = bottoms[0]
    exponential = np.exp(np.minimum(x, 20))
    softplus = np.where(x > 20, x, np.where(x < -20, exponential, np.log(exponential + 1)))
    return [x * np.tanh(softplus)]


def selu(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SeLU`` of synopsys-caffe, ``SeLu`` of caffe_latte (selu_layer.cpp): λx above 0, λα(eˣ - 1) below."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "selu_param"), bottoms[0]
    scale = layer.dtype.type(given.number("lambda", 1.05070102))
    alpha = layer.dtype.type(given.number("alpha", 1.67326319))
    return [np.where(x > 0, scale * x, scale * alpha * (np.exp(np.minimum(x, 0)) - 1))]


def noise(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Noise`` of caffe-windows (noise_layer.cpp): nothing at test time, random in training."""
    expect(layer, bottoms, 1)
    if layer.phase != "TEST":
        raise UnsupportedError("Noise is random in the TRAIN phase")
    return bottoms


def selu_dropout(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SeLuDropout`` (selu_dropout_layer.cpp of caffe_latte and synopsys-caffe): nothing at test time, random in training."""
    expect(layer, bottoms, 1)
    if layer.phase != "TEST":
        raise UnsupportedError(f"{layer.parameter.type} is random in the TRAIN phase")
    return bottoms


def label_specific_add(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``LabelSpecificAdd`` of caffe-windows (label_specific_add.cpp): a margin by the labels, which there is in training only."""
    expect(layer, bottoms, 2)
    if layer.phase != "TEST" or layer.tops != 1:
        raise UnsupportedError("LabelSpecificAdd learns in the TRAIN phase; its second top is written there only")
    return bottoms[:1]
