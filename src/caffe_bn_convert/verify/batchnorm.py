"""A BatchNorm's numbers in the file beside those that it should have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.numpy_helper

from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.report.model import Channel
from caffe_bn_convert.verify.statistics import statistics

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.verify.report.model import Statistics
    from caffe_bn_convert.verify.tolerance import Array
    from caffe_bn_convert.verify.walk import Caffe, Visit

MOST = 16
TELLING = 1e-6


def channels(caffe: Caffe, visit: Visit, model: Path, value: str | None = None) -> tuple[Channel, ...]:
    """The channels whose scale or shift is not what Caffe's blobs say, worst first; empty if this is no BatchNorm.

    Args:
        caffe: the net.
        visit: the value that ends the BatchNorm.
        model: the file.
        value: the value's name in the file, if it is another one.
    """
    expected = _expected(caffe, visit)
    if expected is None:
        return ()
    actual = folded(model, value or visit.key)
    if actual is None or actual[0].size != len(expected.scale):
        return ()
    rows = np.stack([actual[0], np.array(expected.scale), actual[1], np.array(expected.shift)])
    with np.errstate(all="ignore"):
        off = np.maximum(np.abs(rows[0] / rows[1] - 1), np.abs(rows[2] - rows[3]) / np.maximum(1e-3, np.abs(rows[3])))
    off = np.nan_to_num(off, nan=np.inf)
    worst = [int(c) for c in np.argsort(-off, kind="stable")[:MOST] if off[c] > TELLING]
    return tuple(Channel(c, *(float(row[c]) for row in rows)) for c in worst)


def _expected(caffe: Caffe, visit: Visit) -> Statistics | None:
    """The BatchNorm that ends in this value: this layer, or the one that its Scale and Bias stand behind."""
    steps = plan(caffe.net).steps
    makers = {key: step for step in steps for key in step.tops}
    step = makers.get(visit.key, steps[visit.index])
    while caffe.net.layers[step.index].type in ("Scale", "Bias") and step.bottoms[0].key in makers:
        step = makers[step.bottoms[0].key]
    name = caffe.net.layers[step.index].name
    return next((s for s in statistics(caffe) if s.layer == name), None)


def folded(model: Path, value: str) -> tuple[Array, Array] | None:
    """Scale and shift of the ONNX BatchNormalization that makes ``value``, None if another operator does."""
    proto = onnx.load(str(model), load_external_data=False)
    node = next((node for node in proto.graph.node if value in node.output), None)
    if node is None or node.op_type != "BatchNormalization":
        return None
    eps = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
    numbers: list[Any] = []
    for name in node.input[1:5]:
        tensor = next((t for t in proto.graph.initializer if t.name == name), None)
        if tensor is None:
            return None
        numbers.append(onnx.numpy_helper.to_array(tensor, str(model.parent)).astype(np.float64).reshape(-1))
    gamma, beta, mean, variance = numbers
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + eps)
        return scale, beta - mean * scale
