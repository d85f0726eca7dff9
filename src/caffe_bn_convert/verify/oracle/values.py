"""The values of a net and their names: which layer reads and makes which (Caffe's net.cpp, AppendBottom and AppendTop).

Caffe overwrites a blob when a layer works in place; here every value lives on under a key of its own. The last value of
blob ``B`` has the key ``B``; a value of ``B`` that a later layer overwrites has the key ``B/L``, where layer ``L`` made
it. An input keeps its own value: made in place on input ``X`` by layer ``L``, the value has the key ``X/L``.

Some layers move nothing: their tops are their bottom's memory (``Blob::ShareData``). A layer that works in place on one of
these changes them all, so whoever reads another of them afterwards, the net's user included, finds the new numbers there.
A blob that is no output keeps its key even if its memory is overwritten so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, at

if TYPE_CHECKING:
    from typing import Any

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

    Value = tuple[int, int]  # a piece of memory, and which of its contents, counted from 0
    Making = tuple[str, int]  # a blob's name, and which making of that blob, counted from 0


@dataclass(frozen=True, slots=True)
class Read:
    """A blob as it is read: its numbers are those of the value ``key``, its shape is that of the value ``like``."""

    key: str
    like: str


@dataclass(frozen=True, slots=True)
class Step:
    """One layer's place in the pass: its index in ``net.layers``, what it reads, the keys of what it makes."""

    index: int
    bottoms: tuple[Read, ...]
    tops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pass.

    Attributes:
        steps: in the order of the net.
        outputs: by key what the net leaves for its user, in Caffe's (alphabetical) order; unread inputs excluded.
    """

    steps: tuple[Step, ...]
    outputs: dict[str, Read]


def is_input(layer: LayerDefinition) -> bool:
    """Whether the layer's tops come from outside: a layer without bottoms that cannot compute its tops itself."""
    parameter = layer.parameter
    if parameter.bottom or parameter.type == "Parameter":
        return False
    if parameter.type != "DummyData":
        return True
    return any(filler.type != "constant" for filler in parameter.dummy_data_param.data_filler)


def outputs(net: NetDefinition) -> tuple[str, ...]:
    """The keys of the net's outputs: values that no layer consumes, in Caffe's order; unread inputs excluded."""
    return tuple(plan(net).outputs)


def plan(net: NetDefinition) -> Plan:
    """Resolve the names of an upgraded, filtered net; raises InvalidNetError where Caffe could not connect it."""
    walk = _Walk()
    for layer in net.layers:
        with at(layer.where()):
            walk.step(layer)
    return walk.plan(net)


def shares_memory(parameter: Any) -> bool:
    """Whether the tops of this layer (a ``LayerParameter``) are its bottom's memory."""
    if parameter.type == "Reshape" and parameter.reshape_param.pixelshuffler != 1:
        return False
    if parameter.type in ("Split", "Reshape", "Flatten"):
        return True
    if parameter.type in ("Concat", "Slice"):
        return len(parameter.bottom) == len(parameter.top) == 1
    if parameter.type == "Gather" and not parameter.HasField("gather_param"):
        return len(parameter.bottom) == len(parameter.top)
    return parameter.type == "Permute" and _is_identity(list(parameter.permute_param.order))


def _is_identity(order: list[int]) -> bool:
    """Whether a Permute moves nothing; axes that it does not list come last, in their order."""
    return order == list(range(len(order)))


@dataclass(slots=True)
class _Walk:
    """The names and the memory of the blobs while the layers go by."""

    makings: Counter[str] = field(default_factory=Counter)
    memory: dict[str, int] = field(default_factory=dict)
    contents: Counter[int] = field(default_factory=Counter)
    made: dict[Making, Value] = field(default_factory=dict)
    origin: dict[Value, Making] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    reads: list[list[tuple[Value, Making]]] = field(default_factory=list)

    def step(self, layer: LayerDefinition) -> None:
        """Let one layer read its bottoms and make its tops."""
        parameter = layer.parameter
        self.reads.append([self.read(name) for name in parameter.bottom])
        self.unread.difference_update(parameter.bottom)
        for position, top in enumerate(parameter.top):
            self.make(parameter, position, top)
        self.unread.update(parameter.top)
        if is_input(layer):
            self.inputs.update(parameter.top)

    def read(self, name: str) -> tuple[Value, Making]:
        """The present contents of a blob's memory, and the making that shaped it."""
        if name not in self.memory:
            raise InvalidNetError(f'there is no blob "{name}" for this layer to read')
        place = self.memory[name]
        return (place, self.contents[place] - 1), (name, self.makings[name] - 1)

    def make(self, parameter: Any, position: int, top: str) -> None:
        """A new making of blob ``top``: in place, in the bottom's memory, or in memory of its own."""
        in_place = position < len(parameter.bottom) and parameter.bottom[position] == top
        if top in self.memory and not in_place:
            raise InvalidNetError(f'top blob "{top}" is made by several layers')
        if not in_place:
            shared = shares_memory(parameter) and parameter.bottom
            below = position if parameter.type == "Gather" else 0  # each of its tops lies in the bottom at its place
            self.memory[top] = self.memory[parameter.bottom[below]] if shared else len(self.contents)
        making, place = (top, self.makings[top]), self.memory[top]
        self.makings[top] += 1
        if in_place or not self.contents[place]:
            self.contents[place] += 1
            self.origin[place, self.contents[place] - 1] = making
        self.made[making] = place, self.contents[place] - 1

    def plan(self, net: NetDefinition) -> Plan:
        """What the walk found, with every value under its key."""
        keys = self.keys(net)
        bottoms = [tuple(self.named(read, keys) for read in reads) for reads in self.reads]
        numbers: Counter[str] = Counter()
        steps = []
        for index, layer in enumerate(net.layers):
            tops = [(top, _next(numbers, top)) for top in layer.parameter.top]
            steps.append(Step(index, bottoms[index], tuple(keys[top] for top in tops)))
        left = [name for name in sorted(self.unread) if name not in self.inputs or self.makings[name] > 1]
        ends = {self.end(name, keys): self.named(self.read(name), keys) for name in left}
        return Plan(tuple(steps), ends)

    def named(self, read: tuple[Value, Making], keys: dict[Making, str]) -> Read:
        """A read in terms of keys; what nobody overwrote is read under its own key."""
        value, making = read
        return Read(keys[making if self.made[making] == value else self.origin[value]], keys[making])

    def end(self, name: str, keys: dict[Making, str]) -> str:
        """The key of an output."""
        return keys[name, self.makings[name] - 1] if name in self.inputs else name

    def keys(self, net: NetDefinition) -> dict[Making, str]:
        """The key of every making; a number is added where two layers of one name overwrite one blob."""
        keys: dict[Making, str] = {}
        numbers: Counter[str] = Counter()
        taken = Counter(self.makings)
        for layer in net.layers:
            for name in layer.parameter.top:
                making = name, _next(numbers, name)
                if self.keeps_name(*making):
                    keys[making] = name
                    continue
                key = f"{name}/{layer.name}"
                keys[making] = f"{key}#{taken[key] + 1}" if taken[key] else key
                taken[key] += 1
        return keys

    def keeps_name(self, name: str, number: int) -> bool:
        """Whether a making has the blob's own name for its key."""
        if name in self.inputs:
            return number == 0
        last = number == self.makings[name] - 1
        return last and (name not in self.unread or self.read(name)[0] == self.made[name, number])


def _next(numbers: Counter[str], name: str) -> int:
    numbers[name] += 1
    return numbers[name] - 1
