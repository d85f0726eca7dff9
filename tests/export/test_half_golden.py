"""Every golden net as float16: valid ONNX of the same interface, or refused by name."""

from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.paths import FIXTURES

CASES = sorted((FIXTURES / "golden").glob("*/*/model.prototxt"))


@pytest.mark.parametrize("precision", ["float16", "float16-weights"])
@pytest.mark.parametrize("prototxt", CASES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_valid(prototxt, precision):
    weights = prototxt.with_name("weights.caffemodel")
    try:
        plain = cbc.convert(prototxt, weights if weights.exists() else None, allow="all").model
    except cbc.ConversionError as error:
        pytest.skip(f"not converted: {error.problems[0].what}")
    half = cbc.convert(prototxt, weights if weights.exists() else None, allow="all", precision=precision).model
    for old, new in zip(
        (*plain.graph.input, *plain.graph.output), (*half.graph.input, *half.graph.output), strict=True
    ):
        assert old == new
    assert all(node.op_type in {n.op_type for n in plain.graph.node} | {"Cast"} for node in half.graph.node)
