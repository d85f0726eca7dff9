"""Bodies of Loop and Scan: graphs inside a graph.

Layers import this module; onnx itself is imported when something is emitted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

    from caffe_bn_convert.export.emitter import Emitter
    from caffe_bn_convert.net.dim import Dim


@dataclass(slots=True)
class Body:
    """A graph inside a node. It may read every value of the graph around it.

    Attributes:
        emitter: where the names come from.
        nodes: its nodes.
        inputs, outputs: what the node gives and takes, in order; a dimension that is None or a symbol is not told.
    """

    emitter: Emitter
    nodes: list[onnx.NodeProto]
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)

    def input(self, hint: str, elem_type: int, shape: Sequence[Dim | None]) -> str:
        """Add an input; returns its name."""
        name = self.emitter.names.unique(hint)
        self.inputs.append(_value_info(name, elem_type, shape))
        return name

    def output(self, value: str, elem_type: int, shape: Sequence[Dim | None]) -> None:
        """Make a value that is computed here the next output."""
        self.outputs.append(_value_info(value, elem_type, shape))

    def graph(self, name: str) -> onnx.GraphProto:
        """The finished graph, for the attribute ``body``."""
        from onnx import helper

        return helper.make_graph(self.nodes, name, self.inputs, self.outputs)


@contextmanager
def body(e: Emitter) -> Iterator[Body]:
    """Nodes that ``e`` emits inside the block belong to the body, not to the graph around it."""
    outer, e.nodes = e.nodes, []
    try:
        yield Body(e, e.nodes)
    finally:
        e.nodes = outer


def _value_info(name: str, elem_type: int, shape: Sequence[Dim | None]) -> onnx.ValueInfoProto:
    from onnx import helper

    dims = [dim if isinstance(dim, int) else None for dim in shape]
    return helper.make_tensor_value_info(name, elem_type, dims)
