"""From the typed graph to an ONNX model whose weights have not been read yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert._version import __version__
from caffe_bn_convert.errors import at
from caffe_bn_convert.export.emitter import Emitter, Initializer, Names, Tensor, as_half
from caffe_bn_convert.export.opsets import DEFAULT_OPSET, check_opset
from caffe_bn_convert.net.dim import Shape, Symbol
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.net.ir import Graph

PRODUCER = "caffe-bn-convert"


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX model, its initializers apart.

    Attributes:
        graph: nodes, inputs, outputs and the shape of every value; without initializers.
        initializers: the constants; their numbers may still lie in the weights file.
        opset: version of the default domain.
        types: for every node the type of the Caffe layer that it comes from.
    """

    graph: onnx.GraphProto
    initializers: tuple[Initializer, ...]
    opset: int
    types: tuple[str, ...] = ()

    def shell(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """The model around the graph: versions, producer, metadata; the graph is empty."""
        model = onnx.ModelProto(producer_name=PRODUCER, producer_version=__version__)
        model.opset_import.add(domain="", version=self.opset)
        model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
        for domain in sorted({node.domain for node in self.graph.node} - {""}):
            model.opset_import.add(domain=domain, version=1)
        for key in sorted(metadata or {}):
            model.metadata_props.add(key=key, value=(metadata or {})[key])
        return model


@stage("emit")
def emit(graph: Graph, opset: int = DEFAULT_OPSET) -> Model:
    """Emit every node of the graph.

    Raises:
        UsageError: an opset outside ``MIN_OPSET`` to ``MAX_OPSET``, or beyond the installed onnx.
        UnsupportedError: a layer has no rendering for these shapes or at this opset.
    """
    check_opset(opset)
    e = Emitter(opset, Names(list(graph.shapes)))
    types: list[str] = []
    for node in graph.nodes:
        with at(node.where), e.layer(node.name) as group:
            x = [Tensor(name, graph.shapes[name]) for name in node.bottoms]
            results = node.layer.emit(e, x, node.blobs)
            _name_tops(group, list(results), node.tops)
        types += [node.type] * (len(e.nodes) - len(types))
    proto = onnx.GraphProto(name=graph.name or "caffe", node=e.nodes)
    for name in graph.inputs:
        elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(graph.elem_types.get(name, "float32")))
        proto.input.append(value_info(name, graph.shapes[name], elem_type))
    for name in graph.outputs:
        proto.output.append(value_info(name, graph.shapes[name]))
    made = {name for node in e.nodes for name in node.output}
    for name in sorted(made & set(graph.shapes) - set(graph.outputs)):
        proto.value_info.append(value_info(name, graph.shapes[name]))
    return Model(proto, _used(e), opset, tuple(types))


def _name_tops(group: list[onnx.NodeProto], results: Sequence[str], tops: Sequence[str]) -> None:
    """Give the values that a layer returned the names of its tops, by renaming where they were just made."""
    made = {name for node in group for name in node.output}
    renamed: dict[str, str] = {}
    for result, top in zip(results, tops, strict=True):
        if result in made and result not in renamed:
            renamed[result] = top
    for node in group:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for result, top in zip(results, tops, strict=True):
        if renamed.get(result) != top:
            group.append(onnx.NodeProto(op_type="Identity", input=[renamed.get(result, result)], output=[top]))


def _used(e: Emitter) -> tuple[Initializer, ...]:
    read = set()
    for node in e.nodes:
        read |= set(node.input)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                read |= captured(attribute.g)
    return tuple(initializer for initializer in e.initializers if initializer.name in read)


def captured(graph: onnx.GraphProto) -> set[str]:
    """Every name that a subgraph mentions, its own ones included."""
    names = {name.name for name in graph.output}
    for node in graph.node:
        names |= set(node.input)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                names |= captured(attribute.g)
    return names


def value_info(name: str, shape: Shape, elem_type: int = onnx.TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Name, type and shape of a value; a symbol becomes a ``dim_param``."""
    info = onnx.ValueInfoProto(name=name)
    tensor = info.type.tensor_type
    tensor.elem_type = elem_type
    tensor.shape.SetInParent()
    for dim in shape:
        entry = tensor.shape.dim.add()
        if isinstance(dim, Symbol):
            entry.dim_param = str(dim)
        else:
            entry.dim_value = int(dim)
    return info


def skeleton(model: Model) -> onnx.ModelProto:
    """The whole model, but with large constants declared as inputs.

    Small ones stay, since shape inference needs their values.
    """
    whole = model.shell()
    whole.graph.CopyFrom(model.graph)
    for initializer in model.initializers:
        if isinstance(initializer.data, np.ndarray) and initializer.nbytes <= 4096:
            whole.graph.initializer.append(onnx.numpy_helper.from_array(initializer.data, initializer.name))
        else:
            whole.graph.input.append(value_info(initializer.name, initializer.shape, initializer.elem_type))
    return whole


@stage("check")
def check(model: Model) -> None:
    """Run ``onnx.checker`` with strict shape inference on the skeleton.

    The rules are the same as for the whole file, but nothing is read and there is no size limit.

    Raises:
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError: a bug of ours.
    """
    onnx.checker.check_model(skeleton(model), full_check=True)


def array_of(initializer: Initializer) -> np.ndarray[Any, Any]:
    """The numbers of an initializer, read now."""
    if isinstance(initializer.data, np.ndarray):
        return initializer.data
    numbers = initializer.data.read()
    return (as_half(numbers, initializer.name) if initializer.half else numbers).reshape(initializer.shape)
