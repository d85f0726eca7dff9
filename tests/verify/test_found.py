"""Detections and indices of files that somebody else made, whatever their values are called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from caffe_bn_convert import convert
from caffe_bn_convert.verify import Options, verify
from caffe_bn_convert.verify.theirs import caffe_of
from tests.paths import SHARED

if TYPE_CHECKING:
    from pathlib import Path

HEADS = SHARED / "random-ssd"
pytestmark = pytest.mark.skipif(not HEADS.is_dir(), reason="needs ../shared/random-ssd")
NAMES = sorted(path.parent.name for path in HEADS.glob("*/meta.json")) if HEADS.is_dir() else []


def renamed(path: Path, *, gain: float = 1.0) -> Path:
    """The same file with every inner value called otherwise, and the first weight times ``gain``."""
    model = onnx.load(path)
    graph = model.graph
    kept = {port.name for port in (*graph.input, *graph.output)} | {""}
    made = [name for node in graph.node for name in node.output] + [tensor.name for tensor in graph.initializer]
    names = {name: name if name in kept else f"v{number}" for number, name in enumerate(dict.fromkeys(made))}
    _rename(graph, names)
    weight = next(tensor for tensor in graph.initializer if len(tensor.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(gain), weight.name))
    del graph.value_info[:]
    onnx.save(model, path)
    return path


def _rename(graph: Any, names: dict[str, str]) -> None:
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for port in graph.output:
        port.name = names.get(port.name, port.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names)


def proof(folder: Path, name: str, gain: float) -> Any:
    head = HEADS / name
    weights = next(iter(sorted(head.glob("weights.caffemodel*"))), None)
    phase = json.loads((head / "meta.json").read_text()).get("phase", "TEST")
    path = folder / "out.onnx"
    convert(head / "model.prototxt", weights, phase=phase, allow="all").save(path, verify=False)
    return verify(caffe_of(head / "model.prototxt", weights, phase=phase), renamed(path, gain=gain), Options(seed=3))


@pytest.mark.parametrize("name", NAMES)
def test_heads_are_proven_whatever_their_values_are_called(tmp_path, name):
    assert proof(tmp_path, name, 1.0).verdict == "proven"


@pytest.mark.parametrize("name", NAMES[::4])
def test_a_weight_that_is_off_is_seen_through_the_detections(tmp_path, name):
    assert proof(tmp_path, name, 1.01).verdict == "failed"
