"""A model in float16: its weights only, or its arithmetic too. Inputs and outputs stay float32 either way.

What stays float32 inside a net that computes in float16, with a Cast wherever a value crosses over:

    - BatchNormalization, and layers that sum squares or many exponentials (:data:`LAYERS`): they lose their meaning first;
    - boxes, indices and sizes, and whatever decides by comparing them: a float16 counts exactly to 2048 only;
    - operators that ONNX or runtimes have in float32 only (:data:`OPERATORS`), and Loop, Scan and If with all inside;
    - a node with a constant that float16 cannot hold, such as the lowest float32 in a window outside the image;
    - nodes that only move numbers, as long as those are float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.export.emitter import Initializer, Names
from caffe_bn_convert.export.model import Model, captured, skeleton

if TYPE_CHECKING:
    from typing import Any

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16

LAYERS = frozenset({
    "BatchNorm", "BN", "LRN", "MVN", "Normalize", "L2Normalize", "GroupNorm", "LSTM", "ConvLSTM", "RNN", "Reduction",
    "PriorBox", "DetectionOutput", "Proposal", "Python", "SumPooling", "ROIPooling", "PSROIPooling", "ROIAlign",
    "ROIWarping", "Embed", "Filter", "BatchReindex", "ArgMax", "Accuracy", "Preprocess", "Upsample", "BoxOutput",
    "BoxGroupOutput", "DecodeBBox", "FrcnnOutput", "ScaleRoute",
})  # fmt: skip
"""Caffe's layers that stay float32; so do all losses."""

OPERATORS = frozenset({
    "BatchNormalization", "Cast", "ConstantOfShape", "CumSum", "GridSample", "If", "Loop", "LRN", "MaxRoiPool", "Mod",
    "NonMaxSuppression", "Range", "Resize", "RoiAlign", "Scan", "TopK",
})  # fmt: skip

MOVES = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip


def weights_as_half(model: Model) -> Model:
    """The model with its matrices and kernels stored as float16, each behind a Cast; biases stay float32."""
    names = Names(_every_name(model))
    casts, initializers = [], []
    for initializer in model.initializers:
        if isinstance(initializer.data, Blob) and len(initializer.shape) > 1:
            stored = replace(initializer, name=names.unique(f"{initializer.name}/fp16"), half=True)
            casts.append(_cast(stored.name, initializer.name, FLOAT))
            initializer = stored
        initializers.append(initializer)
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    del graph.node[:]
    graph.node.extend([*casts, *model.graph.node])
    return replace(model, graph=graph, initializers=tuple(initializers), types=("",) * len(casts) + model.types)


def computing_in_half(model: Model) -> Model:
    """The model with weights and arithmetic in float16, but for what this module's docstring lists."""
    rewriter = _Rewriter(model)
    for node, layer in zip(model.graph.node, model.types, strict=True):
        rewriter.add(node, layer)
    return rewriter.model()


def _every_name(model: Model) -> list[str]:
    names = {i.name for i in model.initializers} | {i.name for i in model.graph.input} | captured(model.graph)
    return [*names, *(name for node in model.graph.node for name in node.output)]


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [source], [target], name=f"{source}/to_{target}", to=to)


def _float_values(model: Model) -> set[str]:
    """The names of all float32 values, constants included; by ONNX's own inference."""
    inferred = onnx.shape_inference.infer_shapes(skeleton(model), strict_mode=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    found = {value.name for value in values if value.type.tensor_type.elem_type == FLOAT}
    return found | {i.name for i in model.initializers if i.elem_type == FLOAT}


def fits(array: np.ndarray[Any, Any]) -> bool:
    """Whether float16 holds these numbers: none becomes infinite, and none but 0 becomes 0."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return bool((np.isfinite(half) == np.isfinite(array)).all() and ((half != 0) == (array != 0)).all())


@dataclass(slots=True)
class _Rewriter:
    """Rewrites node by node; knows for every float value under which name it is to be had in which type."""

    source: Model
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    floats: set[str] = field(init=False)
    constants: dict[str, Initializer] = field(init=False)
    names: Names = field(init=False)
    outputs: set[str] = field(init=False)
    known: dict[tuple[str, int], str] = field(default_factory=dict)
    halved: set[str] = field(default_factory=set)
    made: dict[str, Initializer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.floats = _float_values(self.source)
        self.constants = {i.name: i for i in self.source.initializers}
        self.names = Names(_every_name(self.source))
        self.outputs = {output.name for output in self.source.graph.output}
        for value in self.source.graph.input:
            self.known[value.name, FLOAT] = value.name

    def add(self, node: onnx.NodeProto, layer: str) -> None:
        """Add a node in the type that it is to have."""
        to = FLOAT if self._stays(node, layer) else HALF
        inner = {name for a in node.attribute if a.type == a.GRAPH for name in captured(a.g)}
        names = {
            n: self._as(n, to, layer) for n in (*node.input, *sorted(inner)) if n in self.floats and self._exists(n)
        }
        mine = _renamed(node, names)
        after = []
        for i, name in enumerate(node.output):
            if name not in self.floats:
                continue
            if to == HALF and name in self.outputs:
                mine.output[i] = self.names.unique(f"{name}/fp16")
                after.append(_cast(mine.output[i], name, FLOAT))
                self.known[name, FLOAT] = name
            elif to == HALF:
                self.halved.add(name)
            self.known[name, to] = mine.output[i]
        self._append(mine, layer)
        for cast in after:
            self._append(cast, layer)

    def _append(self, node: onnx.NodeProto, layer: str) -> None:
        self.nodes.append(node)
        self.types.append(layer)

    def _exists(self, name: str) -> bool:
        """Whether it is a value of the outer graph that was made before: not one inside a Loop, not an absent input."""
        return name in self.constants or (name, FLOAT) in self.known or (name, HALF) in self.known

    def _stays(self, node: onnx.NodeProto, layer: str) -> bool:
        if layer in LAYERS or layer.endswith("Loss") or node.op_type in OPERATORS:
            return True
        read = [name for name in node.input if name in self.floats]
        arrays = [self.constants[name].data for name in read if name in self.constants]
        if any(isinstance(array, np.ndarray) and not fits(array) for array in arrays):
            return True
        values = [name for name in read if name not in self.constants]
        return node.op_type in MOVES and all((name, HALF) not in self.known for name in values)

    def _as(self, name: str, to: int, layer: str) -> str:
        """The name of a value in a type, with a Cast if it is not there yet."""
        if (name, to) not in self.known:
            if name in self.constants:
                self.known[name, to] = self._constant(self.constants[name], to)
            else:
                have = self.known[name, FLOAT if to == HALF else HALF]
                target = self.names.unique(f"{name}/{'fp16' if to == HALF else 'fp32'}")
                self._append(_cast(have, target, to), layer)
                self.known[name, to] = target
        return self.known[name, to]

    def _constant(self, constant: Initializer, to: int) -> str:
        name = constant.name
        if to == HALF:
            name = self.names.unique(f"{name}/fp16")
            data = constant.data
            half = data.astype(np.float16) if isinstance(data, np.ndarray) else data
            constant = replace(constant, name=name, data=half, half=isinstance(data, Blob))
        self.made[name] = constant
        return name

    def model(self) -> Model:
        """The finished model."""
        graph = onnx.GraphProto()
        graph.CopyFrom(self.source.graph)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        for value in self.source.graph.value_info:
            info = graph.value_info.add()
            info.CopyFrom(value)
            if value.name in self.halved:
                info.type.tensor_type.elem_type = HALF
        other = [i for i in self.source.initializers if i.name not in self.floats]
        return replace(self.source, graph=graph, initializers=(*other, *self.made.values()), types=tuple(self.types))


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    """A copy with other names for its inputs, inside its graphs too."""
    mine = onnx.NodeProto()
    mine.CopyFrom(node)
    mine.input[:] = [names.get(name, name) for name in node.input]
    for attribute in mine.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            _rename_inside(attribute.g, names)
    return mine


def _rename_inside(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.CopyFrom(_renamed(node, names))
    for output in graph.output:
        output.name = names.get(output.name, output.name)
