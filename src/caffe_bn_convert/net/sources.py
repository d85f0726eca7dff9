"""Data layers of types that nobody knows: what they make can only come from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


def unknown_sources_as_inputs(net: NetDefinition, known: Container[str], given: Container[str]) -> NetDefinition:
    """The net in which every layer without bottoms of an unknown type is an Input layer.

    So is a DummyData whose blob's shape is given: nets for measuring speed have it in the input's place.

    Its shapes are then asked for, unless ``given`` has them. Tops that no layer reads are left out, as labels for
    losses are.

    Args:
        net: the net; as many layers come back.
        known: the layer types by Caffe's name.
        given: the blobs whose shapes the user tells.
    """
    read = {blob for layer in net.layers for blob in layer.parameter.bottom}
    return replace(net, layers=tuple(_as_input(layer, known, read, given) for layer in net.layers))


def _as_input(
    layer: LayerDefinition, known: Container[str], read: Container[str], given: Container[str]
) -> LayerDefinition:
    parameter = layer.parameter
    asked = layer.type == "DummyData" and any(top in given for top in parameter.top)
    if parameter.bottom or not parameter.top or (layer.type in known and layer.type != "Python" and not asked):
        return layer
    tops = [top for top in parameter.top if top in read or top in given] or list(parameter.top[:1])
    return replace(layer, parameter=type(parameter)(name=parameter.name, type="Input", top=tops), unknown=())
