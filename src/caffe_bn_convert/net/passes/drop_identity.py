"""Drop layers that pass their bottom on: Split, Dropout at test time.

Cases:
    - the top is no output: its readers read the bottom instead;
    - the top is an output, or the last value of a blob that was computed in place, and the bottom is made by a layer,
      is no output and has no other claim to its name: the bottom takes the top's name;
    - the top is an output and the bottom is an input or an output itself: the layer stays, as a copy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Identity
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from caffe_bn_convert.net.dim import Shape
    from caffe_bn_convert.net.ir import Graph, Node


@stage("fold")
def drop_identity(graph: Graph) -> Graph:
    """The graph without layers that compute nothing."""
    outputs, inputs = set(graph.outputs), set(graph.inputs)
    same: dict[str, str] = {}  # value -> the value that stands for it
    taken: dict[str, str] = {}  # value -> the name that it takes over
    kept: list[Node] = []
    for node in graph.nodes:
        bottoms = tuple(same.get(name, name) for name in node.bottoms)
        if not isinstance(node.layer, Identity):
            kept.append(node if bottoms == node.bottoms else replace(node, bottoms=bottoms))
            continue
        copied = []
        for top in node.tops:
            source = bottoms[0]
            if top in outputs and (source in inputs or source in outputs or source in taken):
                copied.append(top)
            else:
                same[top] = source
                if source not in inputs and source not in outputs and (top in outputs or _in_place(source, top)):
                    taken[source] = top
        if copied:
            kept.append(replace(node, layer=Identity(len(copied)), bottoms=bottoms, tops=tuple(copied)))
    return _renamed(replace(graph, nodes=tuple(kept)), taken, same)


def _in_place(source: str, top: str) -> bool:
    return source.startswith(top + "/")


def _renamed(graph: Graph, taken: dict[str, str], same: dict[str, str]) -> Graph:
    def new(name: str) -> str:
        return taken.get(name, name)

    def renamed(node: Node) -> Node:
        if taken.keys().isdisjoint((*node.bottoms, *node.tops)):
            return node
        return replace(node, bottoms=tuple(map(new, node.bottoms)), tops=tuple(map(new, node.tops)))

    nodes = tuple(map(renamed, graph.nodes))
    present = {name for node in nodes for name in node.tops} | set(graph.inputs)
    shapes: dict[str, Shape] = {new(name): shape for name, shape in graph.shapes.items() if name not in same}
    return replace(graph, nodes=nodes, shapes={name: shape for name, shape in shapes.items() if name in present})
