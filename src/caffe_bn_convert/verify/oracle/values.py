"""The values of a net and their names: which layer reads and makes which (Caffe's net.cpp, AppendBottom and AppendTop).

Caffe overwrites a blob when a layer works in place; here every value lives on under a key of its own. The last value of
blob ``B`` has the key ``B``; a value of ``B`` that a later layer overwrites has the key ``B/L``, where layer ``L`` made
it. An input keeps its own value: made in place on input ``X`` by layer ``L``, the value has the key ``X/L``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, at

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


@dataclass(frozen=True, slots=True)
class Step:
    """One layer's place in the pass: its index in ``net.layers``, the keys it reads, the keys it makes."""

    index: int
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pass.

    Attributes:
        steps: in the order of the net.
        outputs: keys of the values that nobody consumes, in Caffe's (alphabetical) order; inputs excluded.
    """

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


Value = tuple[str, int]  # the blob's name and which of its values, counted from 0


def is_input(layer: LayerDefinition) -> bool:
    """Whether the layer's tops come from outside: a layer without bottoms that cannot compute its tops itself."""
    parameter = layer.parameter
    if parameter.bottom or parameter.type == "Parameter":
        return False
    if parameter.type != "DummyData":
        return True
    return any(filler.type != "constant" for filler in parameter.dummy_data_param.data_filler)


def plan(net: NetDefinition) -> Plan:
    """Resolve the names of an upgraded, filtered net; raises InvalidNetError where Caffe could not connect it."""
    versions: Counter[str] = Counter()
    unread: set[str] = set()
    steps: list[tuple[tuple[Value, ...], tuple[Value, ...]]] = []
    for layer in net.layers:
        with at(layer.where()):
            bottoms = tuple(_read(name, versions) for name in layer.parameter.bottom)
            unread.difference_update(layer.parameter.bottom)
            tops = tuple(_make(layer, position, versions) for position in range(len(layer.parameter.top)))
            unread.update(layer.parameter.top)
            steps.append((bottoms, tops))
    keys = _keys(net, steps, versions)
    inputs = {top for layer in net.layers if is_input(layer) for top in layer.parameter.top}
    outputs = [(name, versions[name] - 1) for name in sorted(unread) if name not in inputs or versions[name] > 1]
    named = [
        Step(index, tuple(keys[value] for value in bottoms), tuple(keys[value] for value in tops))
        for index, (bottoms, tops) in enumerate(steps)
    ]
    return Plan(tuple(named), tuple(keys[value] for value in outputs))


def outputs(net: NetDefinition) -> tuple[str, ...]:
    """The keys of the net's outputs: values that no layer consumes, in Caffe's order; unread inputs excluded."""
    return plan(net).outputs


def _read(name: str, versions: Counter[str]) -> Value:
    if not versions[name]:
        raise InvalidNetError(f'there is no blob "{name}" for this layer to read')
    return name, versions[name] - 1


def _make(layer: LayerDefinition, position: int, versions: Counter[str]) -> Value:
    name, bottoms = layer.parameter.top[position], layer.parameter.bottom
    in_place = position < len(bottoms) and bottoms[position] == name
    if versions[name] and not in_place:
        raise InvalidNetError(f'top blob "{name}" is made by several layers')
    versions[name] += 1
    return name, versions[name] - 1


def _keys(
    net: NetDefinition, steps: list[tuple[tuple[Value, ...], tuple[Value, ...]]], versions: Counter[str]
) -> dict[Value, str]:
    """The key of every value; a number is added where two layers of one name overwrite one blob."""
    keys: dict[Value, str] = {}
    taken: Counter[str] = Counter(versions)
    given = {top for layer in net.layers if is_input(layer) for top in layer.parameter.top}
    for layer, (_, tops) in zip(net.layers, steps, strict=True):
        for name, version in tops:
            plain = version == 0 if name in given else version == versions[name] - 1
            key = name if plain else f"{name}/{layer.name}"
            if not plain:
                taken[key] += 1
                key += f"#{taken[key]}" if taken[key] > 1 else ""
            keys[name, version] = key
    return keys
