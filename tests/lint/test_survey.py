"""All prototxts of the collection: no crash, and no error in nets that real Caffe ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.errors import UnreadableError
from caffe_bn_convert.lint.check import lint
from caffe_bn_convert.lint.context import Request
from caffe_bn_convert.lint.rules import RULES
from tests.paths import SHARED, needs_shared

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = SHARED / "prototxts"
PATHS = sorted(path for path in FOLDER.glob("*") if path.suffix in (".prototxt", ".pt"))


@needs_shared
def test_no_crash_and_no_false_errors() -> None:
    run_by_caffe = json.loads((FOLDER / "SHAPES.json").read_text())
    found = []
    for path in PATHS:
        try:
            report = lint(read_net(path))
        except UnreadableError:
            assert path.name not in run_by_caffe
            continue
        errors = {finding.code for finding in report.findings if RULES[finding.code].severity == "error"}
        if path.name in run_by_caffe and errors - {
            "BN004"
        }:  # Caffe computes batch statistics where a net asks for them
            found.append((path.name, errors))
    assert found == []


@needs_shared
def test_the_collection_is_whole() -> None:
    if len(PATHS) < 600:
        pytest.skip("needs the whole collection")
    assert len(PATHS) == 603


@needs_shared
@pytest.mark.parametrize("folder", sorted((SHARED / "models").glob("*")), ids=lambda path: path.name)
def test_trained_models_have_no_errors(folder: Path) -> None:
    weights = caffemodel.read(folder / "weights.caffemodel")
    report = lint(read_net(folder / "deploy.prototxt"), Request((weights,)))
    assert [finding for finding in report.findings if RULES[finding.code].severity == "error"] == []
