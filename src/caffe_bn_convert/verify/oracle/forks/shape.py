"""Layers of forks that move values about and compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def permute(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Permute`` (SSD's permute_layer.cpp): the axes in ``order``, then those that it leaves out."""
    expect(layer, bottoms, 1)
    axes, order = bottoms[0].ndim, fields(layer, "permute_param").integers("order")
    if len(set(order)) != len(order) or not all(0 <= axis < axes for axis in order):
        raise InvalidNetError(f"permute_param.order {order} must name each of {axes} axes at most once")
    return [bottoms[0].transpose(order + [axis for axis in range(axes) if axis not in order])]


def shuffle_channel(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ShuffleChannel`` (shuffle_channel_layer.cpp): channel i·(C/group)+j goes to j·group+i."""
    expect(layer, bottoms, 1)
    x, group = bottoms[0], fields(layer, "shuffle_channel_param").integer("group", 1)
    if group < 1 or x.ndim < 2 or x.shape[1] % group:
        raise InvalidNetError(f"ShuffleChannel's group {group} does not divide the channels of {x.shape}")
    split = x.reshape(x.shape[0], group, x.shape[1] // group, -1)
    return [split.swapaxes(1, 2).reshape(x.shape)]
