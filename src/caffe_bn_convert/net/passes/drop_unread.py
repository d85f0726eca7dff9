"""Drop layers that no output needs.

Cases:
    - a layer whose tops go to Silence only, or to nothing that is an output after ``until`` cut the net: dropped;
    - Silence itself: dropped;
    - a layer with several tops, one of them needed: kept whole;
    - an input that nobody reads any more: kept, it is the user's interface.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from caffe_bn_convert.net.ir import Graph, Node


@stage("fold")
def drop_unread(graph: Graph) -> Graph:
    """The graph without the nodes that no output depends on."""
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.tops):
            kept.append(node)
            needed.update(node.bottoms)
    values = {name for node in kept for name in (*node.tops, *node.bottoms)} | set(graph.inputs) | needed
    shapes = {name: shape for name, shape in graph.shapes.items() if name in values}
    return replace(graph, nodes=tuple(reversed(kept)), shapes=shapes)
