"""Where a file goes wrong that onnxruntime does not even load: by the shapes that ONNX infers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import onnx
import onnx.shape_inference

from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify.binding import bind_inputs
from caffe_bn_convert.verify.compare import Deviation, told
from caffe_bn_convert.verify.inputs import feeds
from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.report.model import Divergence
from caffe_bn_convert.verify.runtime import Port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from caffe_bn_convert.verify.walk import Caffe

Sizes = tuple[int, ...]


def first_other_shape(caffe: Caffe, model: Path, names: Mapping[str, str]) -> Divergence | None:
    """The first value in the order of the net whose shape is another one; None if none is, or none can be told.

    Args:
        caffe: the net.
        model: the file.
        names: the blobs whose value has another name in the file.
    """
    try:
        proto = onnx.load(str(model), load_external_data=False)
        expected = _expected(caffe, proto)
        found = _inferred(proto)
    except (ConversionError, ValueError, RuntimeError, OSError):
        return None
    for step in plan(caffe.net).steps:
        for key in step.tops:
            shape = found.get(names.get(key, key))
            if shape is not None and key in expected and shape != expected[key]:
                where = replace(caffe.net.layers[step.index].where(), file=caffe.net.file)
                what = f"its shape is {told(shape)}, not {told(expected[key])}"
                return Divergence(key, where, Deviation(float("inf"), what=what), 0)
    return None


def _expected(caffe: Caffe, proto: onnx.ModelProto) -> dict[str, Sizes]:
    constants = {tensor.name for tensor in proto.graph.initializer}
    ports = [Port(value.name, tuple(_sizes(value))) for value in proto.graph.input if value.name not in constants]
    _, slots = bind_inputs(caffe.net, ports)
    shapes: dict[str, Sizes] = {}
    caffe.run(feeds(caffe.net, slots, 0, 1)[0].arrays, "float32", shapes=shapes)
    return shapes


def _inferred(proto: onnx.ModelProto) -> dict[str, Sizes]:
    """Shapes that follow from the nodes; what the file itself says of its values does not count."""
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(proto).graph
    sizes = {value.name: _sizes(value) for value in (*graph.value_info, *graph.output) if _has_shape(value)}
    return {
        name: tuple(size for size in shape if size is not None) for name, shape in sizes.items() if None not in shape
    }


def _has_shape(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.HasField("shape"))


def _sizes(value: onnx.ValueInfoProto) -> list[int | None]:
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
