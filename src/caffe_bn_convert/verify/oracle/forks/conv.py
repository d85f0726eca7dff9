"""Depthwise convolutions under names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.verify.oracle.conv import convolution, geometry
from caffe_bn_convert.verify.oracle.correlate import convolve
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def depthwise_convolution(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``DepthwiseConvolution`` (depthwise_conv_layer.cpp): on the CPU Caffe's own convolution, ``group`` and all."""
    return convolution(layer, bottoms, blobs)


def convolution_depthwise(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``ConvolutionDepthwise`` (conv_dw_layer.cpp): one kernel a channel; ``num_output`` and ``group`` are not read."""
    expect(layer, bottoms, 1)
    parameter, x = layer.parameter.convolution_param, bottoms[0]
    shape, channels = geometry(layer, x), x.shape[1]
    kernels = weight(layer, blobs, 0, (channels, 1, *shape.kernel), parameter.weight_filler)
    bias = weight(layer, blobs, 1, (channels,), parameter.bias_filler) if parameter.bias_term else None
    top = convolve(x, kernels, bias, stride=shape.stride, pad=shape.pad, dilation=shape.dilation, group=channels)
    return [top]
