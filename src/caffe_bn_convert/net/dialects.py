"""Saying which fork's layer is meant, where the blobs and the fields of a layer leave it open.

A dialect is some fields of the layer's parameters, as that fork would have written them: conversion and proof read them
like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


@dataclass(frozen=True, slots=True)
class Dialect:
    """A meaning of a layer type.

    Attributes:
        what: what it says, for the reader.
        block: the parameters that say so.
        fields: their values.
        type: what the layer's type becomes, where the fork's has another name.
    """

    what: str
    block: str
    fields: Mapping[str, bool | int]
    type: str = ""


DIALECTS: dict[str, dict[str, Dialect]] = {
    "BatchNorm": {
        "nvidia": Dialect(
            "NVIDIA's: the third of five blobs counts for nothing", "batch_norm_param", {"scale_bias": True}
        ),
        "intel": Dialect(
            "Intel's: the third of five blobs is Caffe's factor", "batch_norm_param", {"use_weight_bias": True}
        ),
    },
    "BN": {
        "segnet-inference": Dialect("SegNet's, scale and shift only", "bn_param", {"bn_mode": 1}),
        "segnet-learn": Dialect("SegNet's, by the statistics of the batch", "bn_param", {"bn_mode": 0}),
    },
    "Crop": {
        "bvlc": Dialect("BVLC's: without offset it begins at 0", "crop_param", {"axis": 2}),
        "fcn": Dialect("FCN's and HED's, which works its offset out", "crop_param", {}, "CROP"),
    },
    "Pooling": {
        "ceil": Dialect("BVLC's: the number of windows is rounded up", "pooling_param", {"round_mode": 0}),
        "floor": Dialect("forks that round the number of windows down", "pooling_param", {"round_mode": 1}),
    },
    "DetectionOutput": {
        "textboxes++": Dialect("TextBoxes++'s, with quadrangles", "detection_output_param", {"use_polygon": True}),
        "textboxes++-slanted": Dialect(
            "TextBoxes++'s, with slanted rectangles", "detection_output_param", {"use_polygon": False}
        ),
    },
    "ROIAlign": {
        "detectron": Dialect("the average, as Detectron has it", "roi_align_param", {"sampling_ratio": 0}),
    },
    "PriorBox": {
        "textboxes++": Dialect(
            "TextBoxes++'s: two boxes where SSD has one", "prior_box_param", {"denser_prior_boxes": True}
        ),
    },
    "Dropout": {
        "scale-train": Dialect("BVLC's: nothing to do at test time", "dropout_param", {"scale_train": True}),
        "scale-test": Dialect("Fast R-CNN's: times 1 - ratio at test time", "dropout_param", {"scale_train": False}),
    },
    "MVN": {
        "eps-outside": Dialect("BVLC's: eps is added to the root", "mvn_param", {"add_eps_before_sqrt": False}),
        "eps-inside": Dialect("synopsys': eps is added to the variance", "mvn_param", {"add_eps_before_sqrt": True}),
    },
    "Lstm": {
        "caffe-lstm": Dialect("time and batch are one axis", "lstm_param", {"batch_size": 1}),
    },
}
"""Type → name → dialect."""


def take_dialects(net: NetDefinition, chosen: Mapping[str, str]) -> NetDefinition:
    """The net in which the chosen layers say whose they are.

    Args:
        net: the net.
        chosen: names of dialects by layer or by type; a layer's own goes before its type's.

    Raises:
        UsageError: there is no such layer, or no such dialect of its type.
    """
    names = {layer.name for layer in net.layers} | {layer.type for layer in net.layers}
    for name in chosen:
        if name not in names:
            raise UsageError(f'--dialect names "{name}", which is neither a layer of the net nor the type of one')
    return replace(net, layers=tuple(_spoken(layer, chosen) for layer in net.layers)) if chosen else net


def _spoken(layer: LayerDefinition, chosen: Mapping[str, str]) -> LayerDefinition:
    name = chosen.get(layer.name, chosen.get(layer.type))
    if name is None:
        return layer
    known = DIALECTS.get(layer.type, {})
    dialect = known.get(name)
    if dialect is None:
        told = "; ".join(f"{key}, {value.what}" for key, value in known.items())
        raise UsageError(
            f'layer "{layer.name}" ({layer.type}) has no dialect "{name}"', hint=told or "no type of this name has any"
        )
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    block = getattr(parameter, dialect.block)
    for key, value in dialect.fields.items():
        setattr(block, key, value)
    parameter.type = dialect.type or parameter.type
    return replace(layer, parameter=parameter)
