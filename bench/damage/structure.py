"""Damage to the graph: axes, layers that are left out, edges that are crossed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.damage.graph import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.damage.graph import File

NEAR = 12
"""So many edges on are looked for one to cross with."""


def shifted_axis(file: File) -> Iterator[Damage]:
    """An operator works along the axis before or after its own."""
    for i, node in file.each():
        rank = len(file.shapes.get(node.input[0], ())) if node.input else 0
        axis = file.get(i, "axis")
        for other in () if axis is None else _beside(axis, rank):
            yield Damage(i, f"{node.name}: axis {axis} becomes {other}", file.setter(i, axis=other))
        axes = file.get(i, "axes")
        for other in () if axes is None or len(axes) != 1 else _beside(axes[0], rank):
            yield Damage(i, f"{node.name}: axes {axes} becomes [{other}]", file.setter(i, axes=[other]))
        for place, name in enumerate(node.input):
            value = file.constants.get(name)
            if name.rsplit("/", 1)[-1].startswith("axes") and value is not None and value.size == 1:
                for other in _beside(int(value.flat[0]), rank):
                    instead = np.full_like(value, other)
                    yield Damage(i, f"{name} becomes {other}", file.replacer(i, place, instead))


def _beside(axis: int, rank: int) -> list[int]:
    axis %= max(rank, 1)
    return [other for other in (axis + 1, axis - 1) if 0 <= other < rank]


def dropped(file: File) -> Iterator[Damage]:
    """A layer hands on what it gets."""

    def identity(i: int, nodes: list[int], bottom: str, damaged: File) -> None:
        proto = damaged.model.graph.node[i]
        proto.op_type = "Identity"
        del proto.attribute[:], proto.input[:]
        proto.input.append(bottom)
        _remove(damaged, [other for other in nodes if other != i])

    for nodes, bottom in _whole_layers(file):
        last = nodes[-1]
        what = f"{file.nodes[last].name} is Identity"
        yield Damage(last, what, partial(identity, last, nodes, bottom))


def skipped(file: File) -> Iterator[Damage]:
    """A layer is not there: whoever reads its value reads its bottom."""

    def bypass(i: int, nodes: list[int], bottom: str, damaged: File) -> None:
        top = damaged.model.graph.node[i].output[0]
        for node in damaged.model.graph.node:
            for place, name in enumerate(node.input):
                if name == top:
                    node.input[place] = bottom
        _remove(damaged, nodes)

    outputs = {output.name for output in file.model.graph.output}
    for nodes, bottom in _whole_layers(file):
        last = nodes[-1]
        if file.nodes[last].output[0] not in outputs:
            what = f"{file.nodes[last].name} is not there"
            yield Damage(last, what, partial(bypass, last, nodes, bottom))


def _whole_layers(file: File) -> Iterator[tuple[list[int], str]]:
    """For every layer with one value of the same shape as its first bottom: its nodes and that bottom."""
    together: dict[frozenset[str], list[int]] = {}
    for i, node in file.each():
        together.setdefault(file.layers[node.name], []).append(i)
    for nodes in together.values():
        first, last = file.nodes[nodes[0]], file.nodes[nodes[-1]]
        bottom, top = first.input[0] if first.input else "", last.output[0]
        inner = {name for i in nodes for name in file.nodes[i].output} - {top}
        read = {name for i, node in file.each() if i not in nodes for name in node.input}
        same = file.shapes.get(bottom, 0) == file.shapes.get(top, 1)
        if len(last.output) == 1 and same and last.op_type != "Identity" and not inner & read:
            yield nodes, bottom


def _remove(file: File, gone: list[int]) -> None:
    kept = [node for i, node in enumerate(file.nodes) if i not in gone]
    del file.model.graph.node[:]
    file.model.graph.node.extend(kept)


def crossed(file: File) -> Iterator[Damage]:
    """Two nodes, or two inputs of one, read what the other should."""

    def swap(i: int, a: int, k: int, b: int, damaged: File) -> None:
        first, second = damaged.model.graph.node[i].input, damaged.model.graph.node[k].input
        first[a], second[b] = second[b], first[a]

    nodes = file.nodes
    ends = [(i, place) for i, node in file.each() for place, name in enumerate(node.input) if name in file.shapes]
    made = {name: i for i, node in file.each() for name in node.output}
    for number, (i, a) in enumerate(ends):
        for k, b in ends[number + 1 : number + NEAR]:
            one, other = nodes[i].input[a], nodes[k].input[b]
            if one != other and file.shapes[one] == file.shapes[other] and made.get(other, -1) < i:
                what = f"{nodes[i].name} reads {other}, {nodes[k].name} reads {one}"
                yield Damage(i, what, partial(swap, i, a, k, b), k)
