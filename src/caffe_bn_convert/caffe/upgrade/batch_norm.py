"""Learning rates of BatchNorm's statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

_STATISTICS = 3


def freeze_batch_norm(net: NetDefinition) -> NetDefinition:
    """Zero the learning rates of BatchNorm layers with exactly three ``param``.

    Other numbers of ``param`` stay; Caffe refuses those whose rate is not zero when it sets the layer up.
    """
    return replace(net, layers=tuple(_frozen(layer) for layer in net.layers))


def _frozen(layer: LayerDefinition) -> LayerDefinition:
    old = layer.parameter
    if old.type != "BatchNorm" or len(old.param) != _STATISTICS:
        return layer
    parameter = type(old)()
    parameter.CopyFrom(old)
    for param in parameter.param:
        param.lr_mult = 0.0
        param.decay_mult = 0.0
    return replace(layer, parameter=parameter)
