"""An ONNX file that is about to be damaged: its nodes, constants, shapes, and which layer each node belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing to do to a file.

    Attributes:
        node: the node that is damaged.
        what: in words.
        apply: does it to a copy of the file.
        other: another node that is damaged too, behind the first.
    """

    node: int
    what: str
    apply: Callable[[File], None]
    other: int | None = None


@dataclass
class File:
    """A converted net.

    Attributes:
        model: its numbers embedded.
        layers: for each node's name the names of the Caffe layers that it renders.
        types: the Caffe type of each layer.
        factors: the third blob of every BatchNorm by layer name.
    """

    model: onnx.ModelProto
    layers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)

    def copy(self) -> File:
        """The same to be damaged; what it says of inner shapes is left out, since damage may change them."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
        return File(model, self.layers, self.types, self.factors)

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """In the file's order."""
        return list(self.model.graph.node)

    def each(self, *kinds: str) -> Iterator[tuple[int, onnx.NodeProto]]:
        """The nodes of these operators, or all."""
        return ((i, node) for i, node in enumerate(self.model.graph.node) if not kinds or node.op_type in kinds)

    @cached_property
    def constants(self) -> dict[str, Array]:
        """Initializers by name."""
        return {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all float values whose shape is known."""
        graph = onnx.shape_inference.infer_shapes(self.model).graph
        known = {}
        for info in (*graph.value_info, *graph.input, *graph.output):
            kind = info.type.tensor_type
            dims = [dim.dim_value for dim in kind.shape.dim]
            if kind.elem_type == onnx.TensorProto.FLOAT and kind.HasField("shape") and all(dims):
                known[info.name] = tuple(dims)
        return known

    def constant(self, node: int, place: int) -> Array | None:
        """The float numbers that a node's input is, if it is a constant of at least one."""
        inputs = self.model.graph.node[node].input
        value = self.constants.get(inputs[place]) if place < len(inputs) else None
        return value if value is not None and value.dtype == np.float32 and value.size else None

    def replace(self, node: int, place: int, value: Array) -> None:
        """Give one node another constant; others that share the old one keep it."""
        name = f"damaged_{node}_{place}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        self.model.graph.node[node].input[place] = name

    def has(self, node: int, name: str) -> bool:
        """Whether a node has an attribute."""
        return any(attribute.name == name for attribute in self.model.graph.node[node].attribute)

    def get(self, node: int, name: str, default: Any = None) -> Any:
        """A node's attribute."""
        for attribute in self.model.graph.node[node].attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def set(self, node: int, **values: Any) -> None:
        """Set attributes of a node."""
        proto = self.model.graph.node[node]
        kept = [attribute for attribute in proto.attribute if attribute.name not in values]
        del proto.attribute[:]
        proto.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in values.items())])

    def setter(self, node: int, **values: Any) -> Callable[[File], None]:
        """A damage that sets attributes."""
        return lambda file: file.set(node, **values)

    def replacer(self, node: int, place: int, value: Array) -> Callable[[File], None]:
        """A damage that replaces a constant."""
        return lambda file: file.replace(node, place, value)
