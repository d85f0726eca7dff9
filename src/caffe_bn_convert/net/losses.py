"""Leaving out what only training needs: losses and Accuracy, with what nobody but they read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

# Losses that contain an activation leave it behind, since a net for deployment ends in it.
ACTIVATIONS: dict[str, tuple[str, str]] = {
    "SoftmaxWithLoss": ("Softmax", "prob"),
    "SoftmaxWithLossOHEM": ("Softmax", "prob"),
    "SigmoidCrossEntropyLoss": ("Sigmoid", "prob"),
}
LEARNED = frozenset({"Convolution", "InnerProduct", "Deconvolution", "LSTM", "ConvLSTM", "RNN", "Embed"})
LOSSES: frozenset[str] = frozenset(
    {
        *ACTIVATIONS,
        *("ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"),
        *("AffinityLoss", "CTCLoss", "CenterLoss", "CtcLoss", "DiceCoefLoss", "L1Loss", "MultiBoxLoss", "RegionLoss"),
        *("SmoothL1Loss", "SmoothL1LossOHEM", "SqueezeDetLoss", "TripletLoss", "WeightEuclideanLoss"),
    }
)
"""Layers that Caffe gives a top where none is named (loss_layer.hpp, AutoTopBlobs)."""

LEFT_OUT: frozenset[str] = LOSSES | {
    *("Accuracy", "LabelsequenceAccuracy", "SEG_ACCURACY", "SegAccuracy", "ELTWISE_ACCURACY", "SegmentationEvaluate"),
    *("DetectionEvaluate", "EvalDetection", "Yolov3", "YoloSeg", "BoxAnnotatorOHEM"),
    *("HDF5Output", "MAT_WRITE", "MatWrite"),
}
"""Losses and measures, of forks too, and what only writes files."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should hear about, with the layer it is about."""

    layer: str
    text: str


def is_loss(layer: LayerDefinition) -> bool:
    """Whether a layer is of a type in ``LEFT_OUT``, or a Python layer with a loss weight."""
    parameter = layer.parameter
    return layer.type in LEFT_OUT or (layer.type == "Python" and any(weight for weight in parameter.loss_weight))


def leave_out_losses(
    net: NetDefinition, leaves: Callable[[LayerDefinition], bool] = is_loss
) -> tuple[NetDefinition, list[Note]]:
    """The net without losses and Accuracy.

    SoftmaxWithLoss leaves a Softmax, SigmoidCrossEntropyLoss a Sigmoid, called "prob" (or like the loss, where that name
    is taken), unless the same activation of the same blob is there already. What only a left-out layer read, such as
    the labels, goes too. ``leaves`` says which layers are left out.
    """
    layers: list[LayerDefinition] = []
    notes: list[Note] = []
    only_read: set[str] = set()
    for layer in net.layers:
        if not leaves(layer):
            layers.append(layer)
            continue
        only_read.update(layer.parameter.bottom)
        activation = _activation(layer, net)
        if activation is not None:
            layers.append(activation)
            notes.append(
                Note(layer.name, f'{layer.type} is left out; {activation.type} "{activation.name}" stays of it')
            )
        else:
            notes.append(Note(layer.name, f"{layer.type} is left out"))
    kept = _without_orphans(layers, only_read)
    return replace(net, layers=tuple(kept)), notes


def name_losses(net: NetDefinition) -> NetDefinition:
    """The net with a top for every loss that has none; Caffe makes a nameless one, here it is called like the layer."""
    return replace(net, layers=tuple(_named(layer) for layer in net.layers))


def _named(layer: LayerDefinition) -> LayerDefinition:
    if layer.type not in LOSSES or layer.parameter.top:
        return layer
    parameter = _copy(layer.parameter)
    parameter.top.append(layer.name)
    return replace(layer, parameter=parameter)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _activation(loss: LayerDefinition, net: NetDefinition) -> LayerDefinition | None:
    if loss.type not in ACTIVATIONS:
        return None
    kind, name = ACTIVATIONS[loss.type]
    bottom = loss.parameter.bottom[0]
    if any(layer.type == kind and bottom in layer.parameter.bottom for layer in net.layers):
        return None
    parameter = type(loss.parameter)(name=name, type=kind, bottom=[bottom], top=[name])
    if _taken(name, net):
        parameter.name = loss.name
        parameter.top[0] = loss.parameter.top[0] if loss.parameter.top else loss.name
    if kind == "Softmax" and loss.parameter.softmax_param.HasField("axis"):
        parameter.softmax_param.axis = loss.parameter.softmax_param.axis
    return replace(loss, parameter=parameter)


def _taken(name: str, net: NetDefinition) -> bool:
    return any(name == layer.name or name in layer.parameter.top for layer in net.layers) or (
        sum(layer.type in ACTIVATIONS for layer in net.layers) > 1
    )


def _without_orphans(layers: Sequence[LayerDefinition], only_read: set[str]) -> list[LayerDefinition]:
    """Drop what fed left-out layers and nothing else, as long as it is not a prediction (made of learned layers)."""
    kept: list[LayerDefinition] = []
    read: set[str] = set()
    of_labels = _made_of_labels(layers)
    for layer in reversed(layers):  # those that read a blob stand behind the one that makes it
        tops, bottoms = set(layer.parameter.top), set(layer.parameter.bottom)
        fed_losses_only = bool(tops) and tops <= only_read and not tops & read and not tops & bottoms
        # What Python computes for losses alone is no prediction either: targets and their weights.
        if fed_losses_only and (tops <= of_labels or (bottoms and layer.type == "Python")):
            only_read |= bottoms
        else:
            kept.append(layer)
            read |= bottoms
    unread = only_read - read
    return [_narrowed(layer, unread) for layer in reversed(kept)]


def _made_of_labels(layers: Sequence[LayerDefinition]) -> set[str]:
    """The blobs between which and the data layers stands nothing learned."""
    made: set[str] = set()
    learned: set[str] = set()
    for layer in layers:
        made.update(layer.parameter.top)
        if layer.type in LEARNED or learned.intersection(layer.parameter.bottom):
            learned.update(layer.parameter.top)
    return made - learned


def _narrowed(layer: LayerDefinition, unread: set[str]) -> LayerDefinition:
    """A data layer without the tops that only left-out layers read: the labels."""
    if layer.parameter.bottom or not unread & set(layer.parameter.top[1:]):
        return layer
    parameter = _copy(layer.parameter)
    while len(parameter.top) > 1 and parameter.top[-1] in unread:
        for values in _by_top(parameter):
            if len(values) == len(parameter.top):
                del values[-1]
        parameter.top.pop()
    return replace(layer, parameter=parameter)


def _by_top(parameter: Any) -> tuple[Any, ...]:
    """What a data layer says once for each top, or once for all."""
    if parameter.type == "Input":
        return (parameter.input_param.shape,)
    if parameter.type == "DummyData":
        p = parameter.dummy_data_param
        return (p.shape, p.data_filler, p.num, p.channels, p.height, p.width)
    return ()
