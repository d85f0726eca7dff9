"""Simplification by onnxslim, for people who ask for it: dead nodes, constants, equal nodes, fusions.

It is somebody else's program, and what it does changes with its releases. So it never runs by itself, what it gives is
checked and verified as our own is, and inputs and outputs must come out as they went in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.errors import UsageError, VerificationError
from caffe_bn_convert.export.emitter import Initializer
from caffe_bn_convert.export.model import array_of
from caffe_bn_convert.export.writer import fits_in_one_file

if TYPE_CHECKING:
    from caffe_bn_convert.export.model import Model

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def simplified(model: Model) -> Model:
    """What onnxslim makes of the model; the weights are held in memory.

    Raises:
        UsageError: onnxslim is not installed, or the model is too large for it.
        VerificationError: it changed an input or an output.
    """
    try:
        import onnxslim
    except ImportError:
        raise UsageError("--simplify needs onnxslim", hint='pip install "caffe-bn-convert[simplify]"') from None
    if not fits_in_one_file(model):
        raise UsageError("--simplify holds the model in one message, which must be below 2 GiB", hint="leave it out")
    whole = model.shell()
    whole.graph.CopyFrom(model.graph)
    for initializer in model.initializers:
        whole.graph.initializer.append(onnx.numpy_helper.from_array(array_of(initializer), initializer.name))
    slim = onnxslim.slim(whole)
    if not isinstance(slim, onnx.ModelProto):
        raise VerificationError("onnxslim gave no model", hint="leave out --simplify")
    return _ours(model, slim.graph)


def _ours(model: Model, graph: onnx.GraphProto) -> Model:
    """The simplified graph with its constants apart; layers' types go by the nodes' names."""
    for old, new in ((model.graph.input, graph.input), (model.graph.output, graph.output)):
        if [(v.name, v.type.tensor_type.elem_type) for v in old] != [
            (v.name, v.type.tensor_type.elem_type) for v in new
        ]:
            raise VerificationError("onnxslim changed the inputs or outputs", hint="leave out --simplify")
    types = {node.name: kind for node, kind in zip(model.graph.node, model.types, strict=True)}
    weights = {node.input[1] for node in graph.node if node.op_type in WEIGHTED}
    constants = []
    for tensor in graph.initializer:
        array = np.array(onnx.numpy_helper.to_array(tensor))
        learned = tensor.name in weights and array.dtype == np.float32
        constants.append(Initializer(tensor.name, tuple(array.shape), Blob.of(array) if learned else array))
    bare = onnx.GraphProto()
    bare.CopyFrom(graph)
    del bare.initializer[:], bare.value_info[:], bare.input[:], bare.output[:]
    bare.input.extend(model.graph.input)
    bare.output.extend(model.graph.output)
    kinds = tuple(types.get(node.name, "") for node in bare.node)
    return replace(model, graph=bare, initializers=tuple(constants), types=kinds)
