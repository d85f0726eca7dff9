"""The typed net in the middle: what `build` makes, passes rewrite and `export` emits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.dim import Shape


@dataclass(frozen=True, slots=True)
class Node:
    """One Caffe layer (or several that a pass joined).

    Attributes:
        name: the layer's name.
        type: the layer's Caffe type.
        layer: its typed parameters.
        bottoms: names of the values that it reads.
        tops: names of the values that it makes; every value is made once.
        blobs: its learned parameters, shaped as the layer means them.
        where: its place in the prototxt.
    """

    name: str
    type: str
    layer: Layer
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[Blob, ...] = ()
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Graph:
    """A net in static single assignment: no value is written twice, nodes come after what they read.

    Attributes:
        name: the net's name.
        inputs: names of the values that the user feeds.
        outputs: names of the values that nobody reads, in order of definition.
        nodes: in topological order.
        shapes: the shape of every value.
        elem_types: types of the inputs that are not float32, by NumPy's name.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    elem_types: Mapping[str, str] = field(default_factory=dict)

    def readers(self) -> dict[str, list[Node]]:
        """For every value the nodes that read it; a node that reads it twice is there twice."""
        found: dict[str, list[Node]] = {name: [] for name in self.shapes}
        for node in self.nodes:
            for name in node.bottoms:
                found[name].append(node)
        return found

    def producers(self) -> dict[str, Node]:
        """For every value that a node makes, that node."""
        return {top: node for node in self.nodes for top in node.tops}
