"""Layers that only forks of Caffe have, other than detection, ROIs and resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import shape
from .activation import hard_swish, mish, noise, relu6, selu, selu_dropout
from .arithmetic import add, axpy, channel_scale, mask_pooling, maximum, mul
from .colinear import colinear_convolution
from .conv import convolution_depthwise, depthwise_convolution, nd_convolution, nd_pooling
from .conv_lstm import conv_lstm
from .norm import batch_norm_blobs, bn, fused_batch_norm, grn, normalize, scales

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Rule

__all__ = ["DISCONTINUOUS", "LAYERS", "batch_norm_blobs", "fused_batch_norm", "scales"]

LAYERS: dict[str, Rule] = {
    "Add": add,
    "Axpy": axpy,
    "BN": bn,
    "COLINEAR_CONVOLUTION": colinear_convolution,
    "BatchToSpaceND": shape.batch_to_space_nd,
    "ChannelScale": channel_scale,
    "ConvLSTM": conv_lstm,
    "ConvolutionDepthwise": convolution_depthwise,
    "CropCenter": shape.crop_center,
    "DepthwiseConvolution": depthwise_convolution,
    "DepthToSpace": shape.depth_to_space,
    "Flip": shape.flip,
    "GRN": grn,
    "Gather": shape.gather,
    "HardSwish": hard_swish,
    "MaskPooling": mask_pooling,
    "Maximum": maximum,
    "Mish": mish,
    "Mul": mul,
    "NdConvolution": nd_convolution,
    "NdPooling": nd_pooling,
    "Noise": noise,
    "Normalize": normalize,
    "Pad": shape.pad,
    "Padding": shape.padding,
    "Permute": shape.permute,
    "ReLU6": relu6,
    "Reverse": shape.reverse,
    "SeLU": selu,
    "SeLUDropout": selu_dropout,
    "SeLu": selu,
    "SeLuDropout": selu_dropout,
    "ShuffleChannel": shape.shuffle_channel,
    "SpaceToDepth": shape.space_to_depth,
    "SpaceToBatchND": shape.space_to_batch_nd,
    "Squeeze": shape.squeeze,
    "Transpose": shape.transpose,
}
DISCONTINUOUS: frozenset[str] = frozenset()
