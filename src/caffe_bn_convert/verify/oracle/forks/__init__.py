"""Layers that only forks of Caffe have, other than detection, ROIs and resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import shape
from .activation import hard_swish, label_specific_add, mish, noise, relu6, selu, selu_dropout
from .arithmetic import add, axpy, channel_scale, mask_pooling, maximum, mul
from .bilinear_pooling import l2_normalize, signed_sqrt, sum_pooling
from .colinear import colinear_convolution
from .conv import convolution_depthwise, depthwise_convolution, nd_convolution, nd_pooling
from .conv_lstm import conv_lstm
from .film import pooling_3d
from .group_norm import group_norm
from .mosaic import combination, division
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
    "Combination": combination,
    "ConvLSTM": conv_lstm,
    "ConvolutionDepthwise": convolution_depthwise,
    "CropCenter": shape.crop_center,
    "DepthwiseConvolution": depthwise_convolution,
    "DepthToSpace": shape.depth_to_space,
    "Division": division,
    "Flip": shape.flip,
    "GRN": grn,
    "Gather": shape.gather,
    "GroupNorm": group_norm,
    "HardSwish": hard_swish,
    "L2Normalize": l2_normalize,
    "LabelSpecificAdd": label_specific_add,
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
    "Pooling3D": pooling_3d,
    "ReLU6": relu6,
    "Reverse": shape.reverse,
    "SeLU": selu,
    "SeLUDropout": selu_dropout,
    "SeLu": selu,
    "SeLuDropout": selu_dropout,
    "ShuffleChannel": shape.shuffle_channel,
    "SignedSqrt": signed_sqrt,
    "SpaceToBatchND": shape.space_to_batch_nd,
    "SpaceToDepth": shape.space_to_depth,
    "Squeeze": shape.squeeze,
    "SumPooling": sum_pooling,
    "Transpose": shape.transpose,
}
DISCONTINUOUS: frozenset[str] = frozenset()
