"""Multiply-accumulates of a layer, for one run of the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.conv import Convolution, Deconvolution
from caffe_bn_convert.layers.dense import InnerProduct
from caffe_bn_convert.layers.norm import BatchNorm, Scale
from caffe_bn_convert.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.dim import Shape


def macs(layer: Layer, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int | None:
    """How many; None with dynamic axes.

    Convolutions, inner products and recurrent layers count the products with their weights, BatchNorm and Scale one for
    each value. Everything else counts as none, as is usual.
    """
    if not all(isinstance(dim, int) for shape in (*bottoms, *tops) for dim in shape):
        return None
    if isinstance(layer, Deconvolution):
        return sum(_values(shape) for shape in bottoms) * _each(layer, bottoms)
    if isinstance(layer, (Convolution, InnerProduct)):
        return sum(_values(shape) for shape in tops) * _each(layer, bottoms)
    if isinstance(layer, Recurrent):
        steps = _values(bottoms[0][:2])
        return steps * sum(_values(p.shape) for p in layer.parameters(tuple(bottoms)) if len(p.shape) > 1)
    if isinstance(layer, (BatchNorm, Scale)):
        return _values(tops[0])
    return 0


def _each(layer: Layer, bottoms: Sequence[Shape]) -> int:
    """Products for one value: of the weights, all axes but that of the values themselves."""
    weight = layer.parameters(tuple(bottoms))[0].shape
    if isinstance(layer, InnerProduct) and layer.transpose:
        return int(weight[0])
    return _values(weight[1:])


def _values(shape: Shape) -> int:
    count = 1
    for dim in shape:
        count *= int(dim)
    return count
