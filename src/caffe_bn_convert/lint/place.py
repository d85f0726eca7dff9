"""Places in the prototxt's text: of a layer, and of a field inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import Block, Field, Scalar
from caffe_bn_convert.errors import Where

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


def layer_place(layer: LayerDefinition, net: NetDefinition) -> Where:
    """Where a layer stands. One that was made of a top-level ``input`` stands there."""
    block: Block | Field | None = layer.text
    if block is None and net.text is not None:
        inputs = net.text.all("input")
        block = inputs[0] if inputs else net.text
    if block is None:
        return Where(net.file, 1, 1, layer.name, layer.type)
    return Where(net.file, block.line, block.column, layer.name, layer.type)


def field_place(layer: LayerDefinition, net: NetDefinition, *path: str, position: int = -1) -> Where:
    """Where a field of a layer stands, or as much of the path to it as there is.

    Args:
        path: names of the fields around it and its own, as in ``"pooling_param", "stride"``.
        position: which of several fields of that name, from the front; the last by default.
    """
    place = layer_place(layer, net)
    found = find(layer, *path, position=position)
    return place if found is None else Where(net.file, found.line, found.column, place.layer, place.type)


def find(layer: LayerDefinition, *path: str, position: int = -1) -> Field | None:
    """The deepest field of a layer that exists along a path."""
    block: Block | Scalar | None = layer.text
    deepest: Field | None = None
    for depth, name in enumerate(path):
        fields = block.all(name) if isinstance(block, Block) else []
        last = depth == len(path) - 1
        if not fields or (last and position >= len(fields)):
            break
        deepest = fields[position] if last else fields[-1]
        block = deepest.value
    return deepest


def scalar(layer: LayerDefinition, *path: str) -> Scalar | None:
    """The value at the end of a path, if the text has all of it."""
    found = find(layer, *path)
    return found.value if found is not None and found.name == path[-1] and isinstance(found.value, Scalar) else None
