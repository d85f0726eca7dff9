"""What is in an ONNX file: nodes by type, before and after onnxruntime's own optimiser; constants that are there twice.

    python -m bench.graphs out.onnx …

prints one line of JSON a file.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import onnxruntime as ort

MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")


def describe(path: Path) -> dict[str, Any]:
    """Counts for one file; ``twice`` counts initializers that equal another one."""
    model = onnx.load(path)
    numbers = Counter(
        (i.data_type, tuple(i.dims), i.raw_data or i.SerializeToString()) for i in model.graph.initializer
    )
    optimised = _optimised(path)
    return {
        "nodes": len(model.graph.node),
        "moves": sum(node.op_type in MOVES for node in model.graph.node),
        "twice": sum(count - 1 for count in numbers.values()),
        "optimised": len(optimised.graph.node),
        "unfused": unfused(optimised.graph),
    }


def _optimised(path: Path) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        options.log_severity_level = 3
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath, load_external_data=False)


def unfused(graph: onnx.GraphProto) -> int:
    """BatchNormalization nodes that alone read a Conv's result."""
    made = {name: node for node in graph.node for name in node.output}
    reads = Counter(name for node in graph.node for name in node.input)
    return sum(
        node.op_type == "BatchNormalization" and node.input[0] in made and reads[node.input[0]] == 1
        and made[node.input[0]].op_type in ("Conv", "FusedConv")
        for node in graph.node
    )  # fmt: skip


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print(json.dumps(describe(Path(file))))
