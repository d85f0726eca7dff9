"""What the installed onnx and onnxruntime know, so that tests run with older ones, too."""

from __future__ import annotations

from functools import cache

import onnx
import onnxruntime as ort
from onnx import helper

from caffe_bn_convert.export.opsets import MAX_OPSET, MIN_OPSET


def loads(opset: int) -> bool:
    """Whether onnxruntime takes a file of this opset."""
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True


@cache
def installed() -> int:
    """The newest opset that both know; MAX_OPSET does not count."""
    known = range(MIN_OPSET, onnx.defs.onnx_opset_version() + 1)
    return max(opset for opset in known if loads(opset))


NEWEST = min(MAX_OPSET, installed())
"""The newest opset that can be tested here."""
