"""Inspection of an ONNX file, ours or another's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert.errors import UnreadableError, Where
from caffe_bn_convert.inspect.model import Inspection, Parameter, Row, Statistics, Value
from caffe_bn_convert.inspect.statistics import summary

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    Dims = tuple[int | str, ...]

_DEFAULT_EPS = 1e-5


def inspect_onnx(path: str | os.PathLike[str]) -> Inspection:
    """Look at an ONNX file; of its weights only those of BatchNormalization are read.

    Raises:
        UnreadableError: it is no ONNX file, or its data file is missing.
    """
    place = Path(path)
    try:
        model = onnx.load(str(place), load_external_data=False)
    except Exception as error:  # protobuf's own errors differ from release to release
        raise UnreadableError(f"this is no ONNX file: {error}", where=Where(file=str(place))) from error
    graph = model.graph
    shapes = _shapes(model)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    rows = tuple(_row(node, shapes, stored) for node in graph.node)
    inputs = tuple(Value(value.name, shapes.get(value.name)) for value in graph.input if value.name not in stored)
    outputs = tuple(Value(value.name, shapes.get(value.name)) for value in graph.output)
    return Inspection(
        str(place), "onnx", graph.name, rows, inputs, outputs, tuple(_statistics(graph, stored, place)), _notes(model)
    )


def _notes(model: onnx.ModelProto) -> tuple[str, ...]:
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    made = f"{model.producer_name} {model.producer_version}".strip()
    entries = sorted((entry.key, entry.value) for entry in model.metadata_props)
    return (f"opset {opsets}; IR {model.ir_version}; made by {made or 'an unknown program'}",
            *(f"{key}: {value}" for key, value in entries if len(value) <= 200))  # fmt: skip


def _shapes(model: onnx.ModelProto) -> dict[str, Dims]:
    """Shapes of all values that ONNX's own inference can tell."""
    shapes: dict[str, Dims] = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    try:
        graph = onnx.shape_inference.infer_shapes(_skeleton(model)).graph
    except Exception:  # a shape that cannot be told is left out of the table
        graph = model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)
    return shapes


def _skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with large weights as inputs, so that it can be handed to the checker whatever its size."""
    bare = onnx.ModelProto()
    bare.CopyFrom(onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import))
    for field in ("name", "node", "input", "output", "value_info"):
        part = getattr(model.graph, field)
        if isinstance(part, str):
            bare.graph.name = part
        else:
            getattr(bare.graph, field).extend(part)
    fed = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) <= 4096 and not tensor.external_data:
            bare.graph.initializer.append(tensor)
        elif tensor.name not in fed:
            bare.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return bare


def _row(node: onnx.NodeProto, shapes: Mapping[str, Dims], stored: Mapping[str, onnx.TensorProto]) -> Row:
    parameters = tuple(
        Parameter(name, tuple(stored[name].dims), int(np.prod(stored[name].dims, dtype=np.int64)), stored=True)
        for name in node.input
        if name in stored
    )
    tops = tuple(Value(name, shapes.get(name)) for name in node.output if name)
    size = _count([shape for top in tops if (shape := top.shape) is not None]) if all(t.shape for t in tops) else None
    bottoms = tuple(name for name in node.input if name and name not in stored)
    work = _macs(node, shapes)
    return Row(node.name, node.op_type, bottoms, tops, parameters, work, None if size is None else 4 * size)


def _count(shapes: Sequence[Dims]) -> int | None:
    total = 0
    for shape in shapes:
        if not all(isinstance(dim, int) for dim in shape):
            return None
        total += int(np.prod([int(dim) for dim in shape], dtype=np.int64))
    return total


def _macs(node: onnx.NodeProto, shapes: Mapping[str, Dims]) -> int | None:
    """Convolutions, products of matrices and BatchNormalization; as for Caffe's layers."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"):
        return 0
    known = [shapes.get(node.input[0]), shapes.get(node.input[1]), shapes.get(node.output[0])]
    if any(shape is None or not all(isinstance(d, int) for d in shape) for shape in known):
        return None
    x, w, y = ([int(dim) for dim in shape or ()] for shape in known)
    values = int(np.prod(y, dtype=np.int64))
    if node.op_type == "Conv":
        return values * int(np.prod(w[1:], dtype=np.int64))
    if node.op_type == "ConvTranspose":
        return int(np.prod(x, dtype=np.int64)) * int(np.prod(w[1:], dtype=np.int64))
    if node.op_type == "BatchNormalization":
        return values
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return values * (x[0] if transposed else x[-1])


def _statistics(graph: onnx.GraphProto, stored: Mapping[str, onnx.TensorProto], path: Path) -> Iterator[Statistics]:
    for node in graph.node:
        names = list(node.input[1:5])
        if node.op_type != "BatchNormalization" or not all(name in stored for name in names):
            continue
        gamma, beta, mean, variance = (_numbers(stored[name], path) for name in names)
        eps = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), _DEFAULT_EPS)
        yield summary(node.name or node.output[0], mean, variance, gamma, beta, float(eps))


def _numbers(tensor: onnx.TensorProto, path: Path) -> Any:
    try:
        return onnx.numpy_helper.to_array(tensor, base_dir=str(path.parent)).astype(np.float64)
    except Exception as error:
        raise UnreadableError(
            f'the numbers of "{tensor.name}" cannot be read: {error}',
            hint="the data file has to lie beside the ONNX file", where=Where(file=str(path)),
        ) from error  # fmt: skip
