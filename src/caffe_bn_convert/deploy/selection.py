"""Which layers a net for deployment has, and which of them feed it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.state import filter_state
from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.net.losses import LEFT_OUT, Note, leave_out_losses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

_TRAINING = re.compile(r"Loss|LOSS|Accuracy|ACCURACY|Evaluat|^Eval|^BoxAnnotatorOHEM$|^HDF5Output$|^MAT_WRITE$")
"""Types that judge a prediction or write it to a file, those of forks too."""

_LEARNED_SOURCE = "Parameter"


@dataclass(frozen=True, slots=True)
class Selection:
    """The layers of a deployable net.

    Attributes:
        layers: in the order of the file; an activation that a loss leaves has the loss's text.
        sources: the positions in ``layers`` of those that become inputs.
        twins: data layers of the other phase; what they tell of a shape helps.
        notes: what was left out.
    """

    layers: tuple[LayerDefinition, ...]
    sources: tuple[int, ...]
    twins: tuple[LayerDefinition, ...]
    notes: tuple[Note, ...]


def select(net: NetDefinition, phase: str, level: int, stages: Sequence[str], until: Sequence[str] = ()) -> Selection:
    """Leave out what deployment does not need: other states, losses, labels and what is computed of them only.

    Args:
        net: an upgraded net.
        phase, level, stages: its state.
        until: blobs that are wanted; only what they are computed from stays. By default everything.

    Raises:
        UsageError: there is no such blob.
    """
    state = filter_state(net, phase, level, stages)
    state, borrowed = _with_data_of_training(net, state)
    state, silenced = _without_silenced_data(state)
    kept, notes = leave_out_losses(state, _judges)
    kept = _without_dead_silence(kept)
    kept = _needed(kept, until) if until else kept
    layers = [replaced for layer in kept.layers if (replaced := _read_tops_only(layer, kept)) is not None]
    sources = tuple(i for i in _sources(layers))
    present = {id(layer.text) for layer in layers}
    twins = tuple(layer for layer in net.layers if is_source(layer) and id(layer.text) not in present)
    return Selection(tuple(layers), sources, twins, (*borrowed, *silenced, *notes))


def is_source(layer: LayerDefinition) -> bool:
    """Whether the layer reads nothing and is no learned blob: data of any kind, Python layers too."""
    return not layer.parameter.bottom and layer.type != _LEARNED_SOURCE


def _judges(layer: LayerDefinition) -> bool:
    weighted = any(weight != 0 for weight in layer.parameter.loss_weight)
    return layer.type in LEFT_OUT or weighted or _TRAINING.search(layer.type) is not None or _python_loss(layer)


def _python_loss(layer: LayerDefinition) -> bool:
    return layer.type == "Python" and re.search("loss|accuracy", layer.parameter.python_param.layer, re.I) is not None


def _with_data_of_training(net: NetDefinition, state: NetDefinition) -> tuple[NetDefinition, list[Note]]:
    """The net with data layers of the other phase, for blobs that nothing makes in this one."""
    made: set[str] = set()
    missing: set[str] = set()
    for layer in state.layers:
        missing.update(set(layer.parameter.bottom) - made)
        made.update(layer.parameter.top)
    present = {id(layer) for layer in state.layers}
    extra: list[LayerDefinition] = []
    for layer in net.layers:
        if is_source(layer) and missing & set(layer.parameter.top):
            extra.append(layer)
            missing -= set(layer.parameter.top)
    wanted = present | {id(layer) for layer in extra}
    notes = [
        Note(layer.name, "this data layer is not of this phase, but nothing else makes its blobs") for layer in extra
    ]
    return replace(state, layers=tuple(layer for layer in net.layers if id(layer) in wanted)), notes


def _without_silenced_data(net: NetDefinition) -> tuple[NetDefinition, list[Note]]:
    """Silence only keeps Caffe from printing; on data, such as labels, it would keep the data alive."""
    data = {top for layer in net.layers if is_source(layer) for top in layer.parameter.top}
    gone = [layer for layer in net.layers if layer.type == "Silence" and data.issuperset(layer.parameter.bottom)]
    layers = tuple(layer for layer in net.layers if layer not in gone)
    return replace(net, layers=layers), [Note(layer.name, "Silence is left out: it read data only") for layer in gone]


def _without_dead_silence(net: NetDefinition) -> NetDefinition:
    """The net without Silence on blobs that were left out."""
    made = {top for layer in net.layers for top in layer.parameter.top}
    dead = [layer for layer in net.layers if layer.type == "Silence" and not made.issuperset(layer.parameter.bottom)]
    return replace(net, layers=tuple(layer for layer in net.layers if layer not in dead))


def _needed(net: NetDefinition, blobs: Sequence[str]) -> NetDefinition:
    """The layers that these blobs are computed by."""
    made = {top for layer in net.layers for top in layer.parameter.top}
    for blob in blobs:
        if blob not in made:
            raise UsageError(f'there is no blob "{blob}" in the net for deployment')
    wanted = set(blobs)
    kept: list[LayerDefinition] = []
    for layer in reversed(net.layers):
        if wanted & set(layer.parameter.top):
            kept.append(layer)
            wanted.update(layer.parameter.bottom)
    return replace(net, layers=tuple(reversed(kept)))


def _read_tops_only(layer: LayerDefinition, net: NetDefinition) -> LayerDefinition | None:
    """A data layer with the tops that somebody reads; None without any."""
    if not is_source(layer):
        return layer
    read = {blob for other in net.layers for blob in other.parameter.bottom}
    tops = [top for top in layer.parameter.top if top in read]
    if layer.type == "Input" or tops == list(layer.parameter.top):
        return layer
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    del parameter.top[:]
    parameter.top.extend(tops)
    return replace(layer, parameter=parameter) if tops else None


def _sources(layers: Sequence[LayerDefinition]) -> Iterable[int]:
    """Positions of what becomes an input. Constants of DummyData do only where nothing else feeds the net."""
    sources = [i for i, layer in enumerate(layers) if is_source(layer)]
    varying = [i for i in sources if not _constant(layers[i])]
    return varying or sources


def _constant(layer: LayerDefinition) -> bool:
    fillers = layer.parameter.dummy_data_param.data_filler
    return layer.type == "DummyData" and all(filler.type == "constant" for filler in fillers)
