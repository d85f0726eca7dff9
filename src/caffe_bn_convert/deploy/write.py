"""New pieces of a prototxt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import text_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.deploy.inputs import Inputs

_V1_WORDS = {"Softmax": "SOFTMAX", "Sigmoid": "SIGMOID"}
_OLD_AXES = 4


def quoted(text: str) -> str:
    """A string of the text format."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def shape_text(shape: Sequence[int]) -> str:
    """A ``BlobShape`` as it stands in its block."""
    return "shape { " + "".join(f"dim: {dim} " for dim in shape) + "}"


def input_layer(inputs: Inputs) -> str:
    """An Input layer of today's form."""
    lines = ["layer {", f"  name: {quoted(inputs.name)}", '  type: "Input"']
    lines += [f"  top: {quoted(top)}" for top in inputs.tops]
    lines += [f"  input_param {{ {' '.join(map(shape_text, inputs.shapes))} }}", "}"]
    return "\n".join(lines)


def old_inputs(inputs: Inputs, *, dims: bool) -> str:
    """Inputs at the top of the file, the form that V1 has.

    Args:
        dims: write ``input_dim``, which even the oldest Caffe knows; every shape has four dimensions then.
    """
    lines = []
    for top, shape in zip(inputs.tops, inputs.shapes, strict=True):
        lines.append(f"input: {quoted(top)}")
        lines += [f"input_dim: {dim}" for dim in shape] if dims else ["input_" + shape_text(shape)]
    return "\n".join(lines)


def activation(layer: LayerDefinition, *, v1: bool) -> str:
    """The Softmax or Sigmoid that a loss leaves."""
    parameter = layer.parameter
    kind = _V1_WORDS[layer.type] if v1 else quoted(layer.type)
    lines = ["layers {" if v1 else "layer {", f"  name: {quoted(layer.name)}", f"  type: {kind}"]
    lines += [f"  bottom: {quoted(parameter.bottom[0])}", f"  top: {quoted(parameter.top[0])}"]
    if parameter.HasField("softmax_param"):
        lines.append(f"  softmax_param {{ axis: {parameter.softmax_param.axis} }}")
    return "\n".join([*lines, "}"])


def net_text(net: NetDefinition) -> str:
    """An upgraded net as protobuf prints it."""
    whole = type(net.parameter)()
    whole.CopyFrom(net.parameter)
    whole.layer.extend(layer.parameter for layer in net.layers)
    return text_format.MessageToString(whole)


def uses_dims(inputs: Sequence[Inputs]) -> bool:
    """Whether ``input_dim`` can say these shapes."""
    return all(len(shape) == _OLD_AXES for each in inputs for shape in each.shapes)
