"""Nets without an input, and what its shape must be: NET014. Bottoms that nobody makes: NET011."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.layers.base import Source
from caffe_bn_convert.layers.dense import InnerProduct
from caffe_bn_convert.layers.inputs import DataSource
from caffe_bn_convert.lint.finding import Edit, Finding
from caffe_bn_convert.lint.place import field_place
from caffe_bn_convert.lint.purpose import judges
from caffe_bn_convert.net.dim import is_fixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.lint.context import Context
    from caffe_bn_convert.lint.wiring import Clash
    from caffe_bn_convert.net.dim import Shape


def missing(context: Context) -> Iterator[Finding]:
    """NET011, or NET014 where the net has no source of data at all."""
    headless = not any(reading.tops and not reading.bottoms for reading in context.readings)
    for clash in context.wiring.clashes:
        if clash.code == "NET011":
            yield _no_input(context, clash) if headless else _unknown(context, clash)


CHECKS = (missing,)


def _unknown(context: Context, clash: Clash) -> Finding:
    layer = context.readings[clash.layer].definition
    where = field_place(layer, context.net, "bottom", position=clash.position)
    what = f'its bottom "{clash.blob}" is made by no layer above it'
    elsewhere = _maker(context, clash.blob)
    if elsewhere is not None:
        what += f'; layer "{elsewhere.name}" makes it, but does not exist in phase {context.phase}'
    return Finding("NET011", what, where)


def _maker(context: Context, blob: str) -> LayerDefinition | None:
    here = {id(reading.definition.text) for reading in context.readings}
    makers = (layer for layer in context.written.layers if blob in layer.parameter.top and id(layer.text) not in here)
    return next(makers, None)


def _no_input(context: Context, clash: Clash) -> Finding:
    layer = context.readings[clash.layer].definition
    where = field_place(layer, context.net, "bottom", position=clash.position)
    shape = _shape(context, clash.blob)
    elsewhere = _maker(context, clash.blob)
    why = f'layer "{elsewhere.name}" does not exist in phase {context.phase}' if elsewhere else "the net has no input"
    what = f'nothing makes its bottom "{clash.blob}": {why}'
    if shape is None:
        return Finding("NET014", what, where)
    told = f"{what}; its shape would be {'x'.join(map(str, shape))}"
    if all(
        judges(reading.definition) for reading in context.readings if clash.blob in reading.definition.parameter.bottom
    ):
        return Finding("NET014", told, where)  # a label is of no use without the training
    state = f"include {{ phase: {context.phase} }}" if elsewhere else ""
    return Finding("NET014", told, where, _edits(context, clash.blob, shape, state))


def _shape(context: Context, blob: str) -> Shape | None:
    """The shape of an input that is missing, where something tells it."""
    candidates = [context.inputs.get(blob), _of_data(context, blob), _of_matrix(context, blob)]
    return next((shape for shape in candidates if shape is not None and is_fixed(shape)), None)


def _of_data(context: Context, blob: str) -> Shape | None:
    """One picture of a data layer of another state, or of the training net."""
    layers = (*context.written.layers, *(context.train.layers if context.train else ()))
    for layer in layers:
        cls = context.layers.get(layer.type)
        if cls is None or not issubclass(cls, DataSource) or blob not in layer.parameter.top:
            continue
        try:
            shapes = cls.read(Source(layer)).top_shapes(len(layer.parameter.top))
        except ConversionError:
            continue
        shape = shapes[list(layer.parameter.top).index(blob)]
        if shape is not None:
            return (1, *shape[1:])
    return None


def _of_matrix(context: Context, blob: str) -> Shape | None:
    """One row for an InnerProduct that reads the input, by the width of its matrix (num_output x width)."""
    for reading in context.readings:
        if isinstance(reading.typed, InnerProduct) and reading.found and reading.bottoms[0].blob == blob:
            matrix = reading.found[0]
            p = reading.definition.parameter.inner_product_param
            if matrix is not None and len(matrix.shape) >= 2 and not p.transpose and p.axis == 1:
                return (1, matrix.shape[-1])
    return None


def _edits(context: Context, blob: str, shape: Shape, state: str) -> tuple[Edit, ...]:
    """The edits that add an input; ``state`` is the rule that keeps it apart from that of another state."""
    tree = context.net.text
    if tree is None:
        return ()
    text = tree.source.text
    end = "\r\n" if "\r\n" in text else "\n"
    dims = " ".join(f"dim: {dim}" for dim in shape)
    named = tree.all("input")
    if named:
        return _after_name(text, named[0].value.offset, f"input_shape {{ {dims} }}", end) if len(named) == 1 else ()
    layers = [field for field in tree.fields if field.name in ("layer", "layers")]
    if not layers:
        return ()
    start = text.rfind("\n", 0, layers[0].offset) + 1
    at = layers[0].offset if text[start : layers[0].offset].strip() else start
    if layers[0].name == "layers":  # V1 has no Input layer
        return () if state else (Edit(at, at, f'input: "{blob}"{end}input_shape {{ {dims} }}{end}'),)
    layer = f'layer {{{end}  name: "{blob}"{end}  type: "Input"{end}  top: "{blob}"{end}'
    layer += f"  {state}{end}" if state else ""
    return (Edit(at, at, f"{layer}  input_param {{ shape {{ {dims} }} }}{end}}}{end}"),)


def _after_name(text: str, offset: int, words: str, end: str) -> tuple[Edit, ...]:
    """Behind the line of ``input: "data"``."""
    stop = text.find("\n", offset)
    at = len(text) if stop < 0 else stop + 1
    return (Edit(at, at, f"{'' if stop >= 0 else end}{words}{end}"),)
