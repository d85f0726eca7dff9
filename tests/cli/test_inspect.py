from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.cli import run
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = FIXTURES / "digits"
NET, WEIGHTS = str(DIGITS / "deploy.prototxt"), str(DIGITS / "digits.caffemodel")


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", NET, WEIGHTS]) == 0
    printed = capsys.readouterr().out
    assert "digits-resnet" in printed
    assert "bn_conv1   16        699.292" in printed


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", NET, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["kind"] == "prototxt"
    assert data["rows"][1]["parameters"][0] == {"role": "weight", "shape": [16, 1, 3, 3], "count": 144, "stored": False}


@pytest.mark.parametrize(("name", "begins"), [("net.svg", "<svg"), ("net.dot", "digraph"), ("net.mmd", "flowchart")])
def test_graph(name: str, begins: str, tmp_path: Path) -> None:
    assert run(["inspect", NET, "--graph", str(tmp_path / name), "-q"]) == 0
    assert (tmp_path / name).read_text().startswith(begins)


@pytest.mark.parametrize(("form", "begins"), [("svg", "<svg"), ("dot", "digraph"), ("mermaid", "flowchart")])
def test_graph_on_the_terminal(form: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", WEIGHTS, "--shape", "data=1x1x8x8", "--graph", form]) == 0
    assert capsys.readouterr().out.startswith(begins)


def test_a_form_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", NET, "--graph", "net.png"]) == 2
    assert ".svg, .dot or .mmd" in capsys.readouterr().err


def test_recover(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.prototxt"
    assert run(["inspect", WEIGHTS, "--recover", str(out)]) == 0
    assert "29 of 29 layers are complete" in capsys.readouterr().err
    assert run(["inspect", str(out), WEIGHTS, "--phase", "TRAIN", "--shape", "data=1x1x8x8"]) == 0
    assert run(["inspect", NET, "--recover", str(out)]) == 2


def test_weights_and_onnx_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from caffe_bn_convert.front import convert

    onnx = tmp_path / "x.onnx"
    onnx.write_bytes(convert(NET, WEIGHTS).to_onnx().SerializeToString())
    assert run(["inspect", str(onnx)]) == 0
    assert "BatchNormalization" in capsys.readouterr().out
    assert run(["inspect", WEIGHTS]) == 0
    assert "out of the binary" in capsys.readouterr().out
    assert run(["inspect", WEIGHTS, WEIGHTS]) == 2
    assert run(["inspect", str(onnx), "--graph", str(tmp_path / "x.svg"), "-q"]) == 0


def test_no_such_file() -> None:
    assert run(["inspect", "nowhere.prototxt"]) == 3
