"""Convolutions and pooling under names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.conv import convolution, geometry
from caffe_bn_convert.verify.oracle.correlate import convolve
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
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


def _dims(given: Fields, name: str, axes: int, default: int | None) -> tuple[int, ...]:
    """A block like ``kernel_shape { dim: 3 dim: 5 dim: 7 }``, one number for each spatial axis."""
    dims = tuple(given.inner(name).integers("dim")) or ((default,) * axes if default is not None else ())
    if len(dims) != axes:
        raise InvalidNetError(f"{name} must have {axes} numbers, not {len(dims)}")
    return dims


def nd_convolution(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``NdConvolution`` of video-caffe (cudnn_ndconv_layer.cpp): kernel, stride and pad are blocks; no dilation."""
    parameter, given = layer.parameter.convolution_param, fields(layer, "convolution_param")
    axes, channels = bottoms[0].ndim - 2, bottoms[0].shape[1]
    kernel = _dims(given, "kernel_shape", axes, None)
    stride, pad = _dims(given, "stride_shape", axes, 1), _dims(given, "pad_shape", axes, 0)
    group, outputs = parameter.group, parameter.num_output
    if outputs < 1 or channels % group or outputs % group or min(kernel + stride) < 1:
        raise InvalidNetError(f"NdConvolution's num_output {outputs} and group {group} do not fit {channels} channels")
    kernels = weight(layer, blobs, 0, (outputs, channels // group, *kernel), parameter.weight_filler)
    bias = weight(layer, blobs, 1, (outputs,), parameter.bias_filler) if parameter.bias_term else None
    return [convolve(x, kernels, bias, stride=stride, pad=pad, dilation=(1,) * axes, group=group) for x in bottoms]


def _count(size: int, kernel: int, stride: int, pad: int) -> int:
    """``compute_output_shape``: rounded up, but no window beyond this axis's padding."""
    count = -(-(size + 2 * pad - kernel) // stride) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


def nd_pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``NdPooling`` of video-caffe (cudnn_ndpooling_layer.cpp): maxima; averages only where no window sticks out."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "pooling_param"), bottoms[0]
    axes, method = x.ndim - 2, given.word("pool", "MAX")
    whole = given.flag("global_pooling", default=False)
    kernel = x.shape[2:] if whole else _dims(given, "kernel_shape", axes, None)
    stride, pad = _dims(given, "stride_shape", axes, 1), _dims(given, "pad_shape", axes, 0)
    if min(kernel + stride) < 1:
        raise InvalidNetError(f"NdPooling's kernel {kernel} and stride {stride} must be positive")
    counts = [_count(*line) for line in zip(x.shape[2:], kernel, stride, pad, strict=True)]
    over = [
        (n - 1) * s + k - size - p for n, s, k, size, p in zip(counts, stride, kernel, x.shape[2:], pad, strict=True)
    ]
    if method not in ("MAX", "AVE") or (method == "AVE" and (any(pad) or max(over) > 0)):
        raise UnsupportedError(f"NdPooling with {method} and windows that stick out of its bottom")
    around = [(0, 0), (0, 0), *((p, max(o, 0)) for p, o in zip(pad, over, strict=True))]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, around, constant_values=-np.inf), kernel, axis=tuple(range(2, x.ndim))
    )
    picked = windows[(slice(None), slice(None), *(slice(None, None, s) for s in stride))]
    picked = picked[(slice(None), slice(None), *(slice(n) for n in counts))]
    inner = tuple(range(x.ndim, x.ndim + axes))
    return [picked.max(axis=inner) if method == "MAX" else picked.mean(axis=inner)]
