"""V0's padding layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.upgrade.form import is_v0, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


def fold_padding(net: NetDefinition) -> NetDefinition:
    """Give the ``pad`` of V0's padding layers to the convolutions and poolings that read them, and drop the layers.

    Raises:
        InvalidNetError: a padding layer is read by a layer of another type, or has not one bottom and one top.
    """
    if not any(is_v0(layer) for layer in net.layers):
        return net
    sources: dict[str, LayerDefinition | None] = dict.fromkeys(net.parameter.input)
    folded = []
    for layer in net.layers:
        reader = _fold(net, layer, sources)
        if not _is_padding(layer):
            folded.append(reader)
        sources.update(dict.fromkeys(layer.parameter.top, layer))
    return replace(net, layers=tuple(folded))


def _fold(net: NetDefinition, layer: LayerDefinition, sources: Mapping[str, LayerDefinition | None]) -> LayerDefinition:
    """The layer, reading what its padding layer read."""
    for bottom in layer.parameter.bottom:
        if bottom not in sources:
            raise refusal(net, layer, f'bottom "{bottom}" is the top of no earlier layer')
        source = sources[bottom]
        if source is not None and _is_padding(source):
            _check(net, layer, source)
            return _padded(layer, source)
    return layer


def _is_padding(layer: LayerDefinition) -> bool:
    return bool(layer.parameter.layer.type == "padding")


def _check(net: NetDefinition, layer: LayerDefinition, padding: LayerDefinition) -> None:
    name = padding.parameter.layer.name
    if layer.parameter.layer.type not in ("conv", "pool"):
        raise refusal(net, layer, f'padding layer "{name}" may be read by conv and pool layers only')
    if len(layer.parameter.bottom) != 1:
        raise refusal(net, layer, f'a layer that reads padding layer "{name}" has one bottom')
    if len(padding.parameter.bottom) != 1 or len(padding.parameter.top) != 1:
        raise refusal(net, padding, "a padding layer has one bottom and one top")


def _padded(layer: LayerDefinition, padding: LayerDefinition) -> LayerDefinition:
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    parameter.layer.pad = padding.parameter.layer.pad
    parameter.bottom[0] = padding.parameter.bottom[0]
    return replace(layer, parameter=parameter)
