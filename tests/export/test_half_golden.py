"""Every golden net as float16: valid ONNX of the same interface, or refused by name."""

from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.paths import FIXTURES

# The nets that Caffe runs.
CASES = sorted(
    path for path in (FIXTURES / "golden").glob("*/*/model.prototxt") if path.with_name("expected.npz").exists()
)


@pytest.mark.parametrize("precision", ["float16", "float16-weights"])
@pytest.mark.parametrize("prototxt", CASES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_valid(prototxt, precision):
    weights = prototxt.with_name("weights.caffemodel")
    files = (prototxt, weights if weights.exists() else None)
    plain = cbc.convert(*files, allow="all", keep_losses=True).model
    half = cbc.convert(*files, allow="all", keep_losses=True, precision=precision).model
    for old, new in zip(
        (*plain.graph.input, *plain.graph.output), (*half.graph.input, *half.graph.output), strict=True
    ):
        assert old == new
    assert all(node.op_type in {n.op_type for n in plain.graph.node} | {"Cast"} for node in half.graph.node)
