"""Inputs at the top of the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
from caffe_bn_convert.errors import InvalidNetError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_AXES = 4


def inputs_to_layer(net: NetDefinition) -> NetDefinition:
    """Turn ``input`` with ``input_shape``, or with four ``input_dim`` each, into one Input layer at the front.

    Inputs without any shape are dropped, as in Caffe: caffemodels have them beside their data layers.

    Raises:
        InvalidNetError: the numbers of inputs and of their shapes differ.
    """
    old = net.parameter
    if not old.input:
        return net
    parameter = type(old)()
    parameter.CopyFrom(old)
    for name in ("input", "input_shape", "input_dim"):
        parameter.ClearField(name)
    if not old.input_shape and not old.input_dim:
        return replace(net, parameter=parameter)
    return replace(net, parameter=parameter, layers=(_layer(old, net.file), *net.layers))


def _layer(old: Any, file: str) -> LayerDefinition:
    layer: Any = schema.message("LayerParameter")(name="input", type="Input", top=old.input)
    layer.input_param.SetInParent()
    for dims in _shapes(old, file):
        layer.input_param.shape.add(dim=dims)
    return LayerDefinition(layer)


def _shapes(old: Any, file: str) -> Iterator[Sequence[int]]:
    """One shape an input; ``input_shape`` wins."""
    inputs, shapes, dims = len(old.input), len(old.input_shape), len(old.input_dim)
    if shapes:
        if shapes != inputs:
            raise _mismatch(file, f"{inputs} input and {shapes} input_shape", "give every input one input_shape")
        yield from (shape.dim for shape in old.input_shape)
        return
    if dims != _AXES * inputs:
        raise _mismatch(file, f"{inputs} input and {dims} input_dim", "give every input four input_dim")
    yield from (old.input_dim[start : start + _AXES] for start in range(0, dims, _AXES))


def _mismatch(file: str, counts: str, hint: str) -> InvalidNetError:
    return InvalidNetError(f"the net has {counts}", hint=hint, where=Where(file))
