"""Layers that only forks of Caffe have, other than detection, ROIs and resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .activation import relu6
from .arithmetic import axpy
from .conv import convolution_depthwise, depthwise_convolution
from .norm import batch_norm_blobs, bn, fused_batch_norm, normalize
from .shape import permute, shuffle_channel

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Rule

__all__ = ["DISCONTINUOUS", "LAYERS", "batch_norm_blobs", "fused_batch_norm"]

LAYERS: dict[str, Rule] = {
    "Axpy": axpy,
    "BN": bn,
    "ConvolutionDepthwise": convolution_depthwise,
    "DepthwiseConvolution": depthwise_convolution,
    "Normalize": normalize,
    "Permute": permute,
    "ReLU6": relu6,
    "ShuffleChannel": shuffle_channel,
}
DISCONTINUOUS: frozenset[str] = frozenset()
