"""Layers of unknown types as nodes of a custom domain, and the net without them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.custom import in_domain
from caffe_bn_convert.net.losses import Note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.build import InputShapes


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
        Note(layer.name, f"written as the operator {layer.type} of {domain}, which your runtime has to bring")
        for layer in unknown
    ]
    return {**layers, **{layer.type: made for layer in unknown}}, replace(inputs, given=fed), said
