"""What is said about layer types: complete, and measured."""

from __future__ import annotations

import json

import onnx
import pytest

from caffe_bn_convert.cli import run as command
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.catalogue import BVLC, CAFFE, FORKS, NOT_SUPPORTED, NOTHING, entries
from caffe_bn_convert.layers.page import page
from tests.paths import FIXTURES, ROOT

bench = pytest.importorskip("bench.layers", reason="needs bench/, which is not in the source distribution")

BERKELEY = """AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop Data
Deconvolution Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HingeLoss Im2col ImageData
InfogainLoss InnerProduct Input LRN LSTM Log MVN MemoryData MultinomialLogisticLoss PReLU Parameter Pooling Power RNN
ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax SoftmaxWithLoss Split Swish TanH
Threshold Tile WindowData"""


def test_the_page_is_that_of_the_code() -> None:
    assert (ROOT / "docs/layers.md").read_text("utf-8") == page(), "make docs"


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 22, reason="measured up to opset 22")
def test_the_table_is_what_is_measured() -> None:
    assert json.loads(bench.TABLE.read_text("utf-8")) == bench.measure(), "make docs"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.type)
class TestEveryType:
    def test_has_been_measured(self, entry: object) -> None:
        told = f"add fixtures/layers/{entry.type}.prototxt and run make docs"
        assert entry.operators or entry.verified == NOTHING or entry.type == "Silence", told

    def test_is_somebodys(self, entry: object) -> None:
        assert (entry.fork.split("; ")[0] == BVLC) == (entry.type in BERKELEY.split()), (
            "say in FORKS of catalogue.py whose it is"
        )

    def test_can_be_written_for_the_lowest_opset(self, entry: object) -> None:
        assert entry.opset == 13


def test_all_of_berkeley_is_there() -> None:
    assert set(BERKELEY.split()) <= set(LAYERS)


def test_nothing_is_both_converted_and_not() -> None:
    assert not set(NOT_SUPPORTED) & set(LAYERS)


def test_examples_are_of_the_types_that_they_are_named_after() -> None:
    """A type, or a type and what tells its dialects apart."""
    for path in (FIXTURES / "layers").glob("*.prototxt"):
        assert f'type: "{path.stem.partition("-")[0]}"' in path.read_text("utf-8")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["layers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TYPE", "WHOSE", "RESTRICTIONS"]
    assert len(lines) == 3 + len(LAYERS) + len(NOT_SUPPORTED)
    assert any(line.split()[:2] == ["Permute", "SSD"] for line in lines)


def test_the_command_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["layers", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (pooling,) = (row for row in told["layers"] if row["type"] == "Pooling")
    assert {"AveragePool", "MaxPool"} <= set(pooling["operators"])
    assert (pooling["opset"], pooling["verified"]) == (13, CAFFE)
    assert told["not_supported"] == NOT_SUPPORTED


def test_forks_are_of_types_that_there_are() -> None:
    assert set(FORKS) <= set(LAYERS)
