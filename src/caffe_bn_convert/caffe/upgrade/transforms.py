"""Old places of the transformations that data layers apply."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.upgrade.form import is_v1

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

_MESSAGES = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_FIELDS = ("scale", "mean_file", "crop_size", "mirror")


def move_transforms(net: NetDefinition) -> NetDefinition:
    """Move scale, mean file, crop size and mirror of V1's data layers to ``transform_param``."""
    return replace(net, layers=tuple(_moved(layer) if _has_old(layer) else layer for layer in net.layers))


def _has_old(layer: LayerDefinition) -> bool:
    if not is_v1(layer) or layer.type not in _MESSAGES:
        return False
    message = getattr(layer.parameter, _MESSAGES[layer.type])
    return any(message.HasField(name) for name in _FIELDS)


def _moved(layer: LayerDefinition) -> LayerDefinition:
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    message = getattr(parameter, _MESSAGES[layer.type])
    for name in _FIELDS:
        if message.HasField(name):
            setattr(parameter.transform_param, name, getattr(message, name))
            message.ClearField(name)
    return replace(layer, parameter=parameter)
