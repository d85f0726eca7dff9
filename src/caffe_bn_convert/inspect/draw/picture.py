"""What is drawn: boxes and arrows, for the net as it is and as it is after folding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.inspect.show import shape_text
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.norm import BatchNorm, BatchNormalization, Bias, Scale
from caffe_bn_convert.net.build import InputShapes, build
from caffe_bn_convert.net.dim import fixed, show
from caffe_bn_convert.net.losses import leave_out_losses
from caffe_bn_convert.net.passes import fold_batchnorm
from caffe_bn_convert.net.weights import Located

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.inspect.model import Inspection
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.dim import Shape
    from caffe_bn_convert.net.ir import Graph, Node

_KINDS = {
    "conv": (
        "Convolution",
        "Deconvolution",
        "DepthwiseConvolution",
        "ConvolutionDepthwise",
        "InnerProduct",
        "LSTM",
        "ConvLSTM",
        "RNN",
    ),
    "norm": ("BatchNorm", "Scale", "Bias", "BN", "LRN", "MVN", "Normalize"),
    "act": ("ReLU", "PReLU", "ReLU6", "Sigmoid", "TanH", "ELU", "Softmax", "Swish", "BNLL", "Dropout", "Clip"),
    "join": ("Eltwise", "Concat", "Slice", "Split", "Crop", "Axpy"),
    "pool": ("Pooling", "SPP", "ROIPooling", "PSROIPooling"),
}


_ONNX_KINDS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul", "Scan"), "conv"),
    **dict.fromkeys(("Relu", "PRelu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "Softmax", "Clip"), "act"),
    **dict.fromkeys(("Add", "Mul", "Max", "Sum", "Concat", "Split", "Slice"), "join"),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), "pool"),
}


@dataclass(frozen=True, slots=True)
class Box:
    """A layer or an input.

    Attributes:
        key: unique in its picture.
        title: its name.
        text: its type, and the shape that it makes.
        kind: "data", "conv", "norm", "act", "join", "pool", "fold" (made by folding) or "other".
        group: number of the fold that it takes part in; None for most.
    """

    key: str
    title: str
    text: str
    kind: str
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from a box to another."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing of one net."""

    title: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def pictures(
    net: NetDefinition,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    shapes: Mapping[str, Shape] | None = None,
    layers: Mapping[str, type[Layer]] = LAYERS,
) -> tuple[Picture, ...]:
    """The net without its losses as it is, and, where it has BatchNorm to fold, as it is afterwards.

    Args:
        net: as it was read, not upgraded.
        phase, level, stages: its state.
        shapes: input shapes by blob name.
        layers: the layer types by Caffe's name.

    Raises:
        ConversionError: the net cannot be built.
    """
    net = upgrade(net)
    phase = phase_of(net, phase)
    net, _ = leave_out_losses(filter_state(net, phase, level, tuple(stages)))
    located = Located(((),) * len(net.layers))
    inputs = InputShapes(shapes or {})
    before, _ = build(net, located, layers, phase=phase, inputs=inputs, weights_needed=False)
    after = fold_batchnorm(_with_numbers(before))
    folds = _folds(before, after)
    if not folds:
        return (_picture("", before, {}),)
    count = len(set(folds.values()))
    return (
        _picture(f"before: {len(before.nodes)} layers", before, folds),
        _picture(f"after folding {count} BatchNorm: {len(after.nodes)} layers", after, folds),
    )


def picture_of(inspection: Inspection) -> Picture:
    """The rows of an inspection, as they are; for ONNX files."""
    boxes = [
        Box(f"in:{value.name}", value.name, f"input {shape_text(value.shape)}", "data") for value in inspection.inputs
    ]
    makers = {value.name: f"in:{value.name}" for value in inspection.inputs}
    edges: dict[Edge, None] = {}
    for number, row in enumerate(inspection.rows):
        key = str(number)
        shape = shape_text(row.tops[0].shape) if row.tops else ""
        kind = "fold" if row.type == "BatchNormalization" else _ONNX_KINDS.get(row.type, "other")
        boxes.append(Box(key, row.name or row.tops[0].name, f"{row.type} {shape}", kind))
        edges.update(dict.fromkeys(Edge(makers[name], key) for name in row.bottoms if name in makers))
        makers.update((top.name, key) for top in row.tops)
    return Picture("", tuple(boxes), tuple(edges))


def _with_numbers(graph: Graph) -> Graph:
    """The graph with ones for the numbers that folding reads."""
    nodes = tuple(
        replace(node, blobs=_ones(graph, node)) if isinstance(node.layer, (BatchNorm, Scale, Bias)) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def _ones(graph: Graph, node: Node) -> tuple[Blob, ...]:
    expected = node.layer.parameters(tuple(graph.shapes[name] for name in node.bottoms))
    return tuple(Blob.of(np.ones(fixed(parameter.shape), np.float32)) for parameter in expected)


def _folds(before: Graph, after: Graph) -> dict[str, int]:
    """For every layer that folding joins, the number of its fold, by name of the value it makes."""
    makers = before.producers()
    groups: dict[str, int] = {}
    for node in after.nodes:
        if not isinstance(node.layer, BatchNormalization):
            continue
        number = len(set(groups.values()))
        member = makers[node.tops[0]]
        groups[member.tops[0]] = number
        while member.name != node.name:
            member = makers[member.bottoms[0]]
            groups[member.tops[0]] = number
    return groups


def _picture(title: str, graph: Graph, folds: Mapping[str, int]) -> Picture:
    boxes = [Box(f"in:{name}", name, f"input {show(graph.shapes[name])}", "data") for name in graph.inputs]
    makers = {name: f"in:{name}" for name in graph.inputs}
    edges: dict[Edge, None] = {}
    for number, node in enumerate(graph.nodes):
        key = f"{number}"
        boxes.append(_box(key, node, graph, folds))
        edges.update(dict.fromkeys(Edge(makers[name], key) for name in node.bottoms))
        makers.update(dict.fromkeys(node.tops, key))
    return Picture(title, tuple(boxes), tuple(edges))


def _box(key: str, node: Node, graph: Graph, folds: Mapping[str, int]) -> Box:
    shape = show(graph.shapes[node.tops[0]]) if node.tops else ""
    group = folds.get(node.tops[0]) if node.tops else None
    if isinstance(node.layer, BatchNormalization):
        return Box(key, node.name, f"BatchNormalization {shape}", "fold", group)
    kind = next((kind for kind, types in _KINDS.items() if node.type in types), "other")
    return Box(key, node.name, f"{node.type} {shape}", kind, group)
