"""ICNetSubgraph: a pyramid of poolings, each interpolated back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.verify.oracle.layer import expect
from caffe_bn_convert.verify.oracle.pool import average, planes

from .interp import align_corners

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

_KERNEL_H, _KERNEL_W = (33, 17, 13, 8), (65, 33, 25, 15)
_STRIDE_H, _STRIDE_W = (33, 16, 10, 5), (65, 32, 20, 10)


def icnet_subgraph(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ICNetSubgraph`` of synopsys-caffe (icnet_subgraph_layer.cpp), whose four windows are written into the source.

    The top starts as the bottom; each branch's AVE pooling, rounded up and without padding, is interpolated by
    ``caffe_cpu_interp2`` to the bottom's size and added.
    """
    expect(layer, bottoms, 1)
    (x,) = bottoms
    top = x
    for i in range(4):
        kernel, stride = (_KERNEL_H[i], _KERNEL_W[i]), (_STRIDE_H[i], _STRIDE_W[i])
        pooled = average(x, planes(x, kernel, stride, (0, 0), floor=False))
        top = top + align_corners(pooled, x.shape[2], x.shape[3])
    return [top]
