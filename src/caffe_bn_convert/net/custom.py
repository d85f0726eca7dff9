"""Layers of unknown types as nodes of a custom domain, and the net without them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe.definition import LayerDefinition
from caffe_bn_convert.caffe.schema import message
from caffe_bn_convert.layers.custom import Custom, in_domain
from caffe_bn_convert.net.losses import Note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.build import InputShapes
    from caffe_bn_convert.net.dim import Shape
    from caffe_bn_convert.net.ir import Graph


def known_by(
    domain: str, net: NetDefinition, layers: Mapping[str, type[Layer]], inputs: InputShapes
) -> tuple[Mapping[str, type[Layer]], InputShapes, list[Note]]:
    """Layer types with those of the net that are in none of ``layers`` as nodes of ``domain``.

    Args:
        domain: of the operators.
        net: the net.
        layers: the types that are known.
        inputs: shapes that the user gives, of inputs and of what unknown layers make.

    Returns:
        the layer types, the shapes of the inputs only, and a word on each such layer.
    """
    unknown = [layer for layer in net.layers if layer.type not in layers]
    tops = {top for layer in unknown for top in layer.parameter.top}
    others = {top for layer in net.layers if layer.type in layers for top in layer.parameter.top}
    fed = {name: shape for name, shape in inputs.given.items() if name in others or name not in tops}
    made = in_domain(domain, {name: shape for name, shape in inputs.given.items() if name in tops})
    said = [
        Note(
            layer.name,
            f"written as the operator {layer.type} of {domain}, which your runtime has to bring; it is not verified",
        )
        for layer in unknown
    ]
    return {**layers, **{layer.type: made for layer in unknown}}, replace(inputs, given=fed), said


def without_custom(net: NetDefinition, graph: Graph) -> tuple[NetDefinition, Graph]:
    """Net and graph with the nodes of custom domains cut out: what they made is fed, what they read is shown.

    So everything before, between and behind them can be run, and proven, without them. Where one works in place there
    are no two values to cut between: the graph then has no outputs.
    """
    gone = [node for node in graph.nodes if isinstance(node.layer, Custom)]
    if not gone:
        return net, graph
    rest = tuple(node for node in graph.nodes if node not in gone)
    fed = tuple(dict.fromkeys((*graph.inputs, *(top for node in gone for top in node.tops))))
    read = {bottom for node in rest for bottom in node.bottoms}
    shown = [bottom for node in gone for bottom in node.bottoms if bottom not in read]
    if any(place is not None for node in gone for place in node.layer.in_place):  # type: ignore[attr-defined]
        return net, replace(graph, outputs=())
    outputs = tuple(name for name in dict.fromkeys((*graph.outputs, *shown)) if name not in fed)
    types = {node.type for node in gone}
    layers = tuple(_fed(layer, graph.shapes) if layer.type in types else layer for layer in net.layers)
    return replace(net, layers=layers), replace(graph, inputs=fed, outputs=outputs, nodes=rest)


def _fed(layer: LayerDefinition, shapes: Mapping[str, Shape]) -> LayerDefinition:
    """An Input layer in the place of ``layer``."""
    given: Any = message("LayerParameter")(name=layer.name, type="Input", top=list(layer.parameter.top))
    for top in layer.parameter.top:
        shape = shapes.get(top, ())
        given.input_param.shape.add(dim=[dim if isinstance(dim, int) else 1 for dim in shape])
    return LayerDefinition(given, layer.text)
