"""Activations of forks, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
