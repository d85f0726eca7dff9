"""Which ONNX operators each layer type becomes, and from which opset on: emits every example that we have.

    python -m bench.layers        writes src/caffe_bn_convert/layers/operators.json

Examples are the nets of fixtures/golden, whose outputs Caffe computed, and those of fixtures/layers, one for each type
that Caffe could not be asked about.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.export.model import check, emit
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.inputs import DataSource
from caffe_bn_convert.net.build import build
from caffe_bn_convert.net.weights import Located, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.net.ir import Graph, Node

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "src/caffe_bn_convert/layers/operators.json"
OPSETS = (13, 17, 18, 22)  # where forms change


@dataclass
class Found:
    """What was seen of a type."""

    operators: set[str] = field(default_factory=set)
    opset: int = 13
    caffe: bool = False

    def row(self) -> dict[str, Any]:
        """For the table."""
        operators = sorted(self.operators - {"Identity"} or self.operators)
        return {"operators": operators, "opset": self.opset, "caffe": self.caffe}


def measure() -> dict[str, dict[str, Any]]:
    """The table, by type."""
    found: dict[str, Found] = {}
    for folder, prototxt in examples():
        with suppress(ConversionError):  # some are there because Caffe refuses them
            look(prototxt, found, caffe=folder == "golden" and not prototxt.parent.parent.name.startswith("Fork_"))
    return {name: found[name].row() for name in sorted(found) if name in LAYERS}


def examples() -> Iterator[tuple[str, Path]]:
    """The prototxts, each with the name of its collection."""
    yield from (("golden", path) for path in sorted((ROOT / "fixtures/golden").glob("*/*/model.prototxt")))
    yield from (("layers", path) for path in sorted((ROOT / "fixtures/layers").glob("*.prototxt")))


def look(prototxt: Path, found: dict[str, Found], *, caffe: bool) -> None:
    """Emit every layer of a net on its own."""
    graph = graph_of(prototxt)
    for node in graph.nodes:
        if node.type in LAYERS and not node.name.endswith("/view"):
            seen = found.setdefault(node.type, Found())
            seen.caffe |= caffe and (prototxt.parent / "expected.npz").exists()
            if node.tops:
                emit_alone(graph, node, seen)


def graph_of(prototxt: Path) -> Graph:
    """The graph before all passes; without a weights file beside the prototxt every blob is of ones."""
    net = upgrade(read_net(prototxt))
    phase = phase_of(net, None)
    net = filter_state(net, phase, 0, ())
    weights = sorted(prototxt.parent.glob("weights.caffemodel*"))
    if weights:
        return build(net, locate(net, [caffemodel.read(path) for path in weights[:1]]), LAYERS, phase=phase)[0]
    graph, _ = build(net, Located(((),) * len(net.layers)), LAYERS, phase=phase, weights_needed=False)
    return replace(graph, nodes=tuple(with_ones(graph, node) for node in graph.nodes))


def with_ones(graph: Graph, node: Node) -> Node:
    """The node with the blobs that it needs."""
    wanted = node.layer.parameters(tuple(graph.shapes[name] for name in node.bottoms))
    return replace(node, blobs=tuple(Blob.of(np.ones([int(d) for d in p.shape], np.float32)) for p in wanted))


def emit_alone(graph: Graph, node: Node, seen: Found) -> None:
    """Emit one node at several opsets; notes the operators, and the first opset at which it can be done."""
    alone = replace(graph, inputs=tuple(dict.fromkeys(node.bottoms)), outputs=node.tops, nodes=(node,))
    first = 0
    for opset in range(13, 23):
        if first and opset not in OPSETS:
            continue
        try:
            model = emit(alone, opset)
            check(model)
        except (ConversionError, onnx.checker.ValidationError):
            continue
        first = first or opset
        seen.operators |= operators(model.graph)
    seen.opset = max(seen.opset, first)


def operators(graph: onnx.GraphProto) -> set[str]:
    """The operators of a graph and of the graphs in it."""
    inner = [a.g for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return {node.op_type for node in graph.node}.union(*(operators(body) for body in inner))


def main() -> None:
    """Write the table."""
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in measure().items())
    TABLE.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    print(TABLE.relative_to(ROOT))
    for name, cls in LAYERS.items():
        if name not in json.loads(TABLE.read_text("utf-8")) and not issubclass(cls, DataSource):
            print(f"no example of {name}: add fixtures/layers/{name}.prototxt")


if __name__ == "__main__":
    main()
