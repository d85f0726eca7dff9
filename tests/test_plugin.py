"""Plug-ins; the example of docs/custom-layers.md as it stands there."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert import plugin
from caffe_bn_convert.cli import run as command
from caffe_bn_convert.verify import oracle
from tests.docs import blocks
from tests.golden import LEVELS, OPSETS, assert_close, run, values
from tests.nets import input_layer, layer, write_net

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "custom-layers.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page: retrieval.prototxt, retrieval.caffemodel and gem.py."""
    (net,) = blocks(PAGE, "protobuf")
    weights = {"conv": [values("w", 4, 3, 3, 3), values("b", 4)], "gem": [np.array([3.5])]}
    _, caffemodel = write_net(tmp_path, net, weights)
    assert caffemodel is not None
    caffemodel.rename(tmp_path / "retrieval.caffemodel")
    (tmp_path / "retrieval.prototxt").write_text(net)
    (tmp_path / "gem.py").write_text(blocks(PAGE, "python")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(text: str) -> list[str]:
    return shlex.split(text.replace("\\\n", " "))[1:]


def test_the_command_of_the_page(example: Path) -> None:
    assert command(words(blocks(PAGE, "sh")[0])) == 0
    domains = {node.domain for node in onnx.load("retrieval.onnx").graph.node}
    assert domains == {""}


def test_without_help_it_is_refused(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["retrieval.prototxt", "retrieval.caffemodel", "-o", "retrieval.onnx"]) == 4
    assert capsys.readouterr().err.startswith(blocks(PAGE, "text")[0].strip())


def test_the_library_as_on_the_page(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(example))
    monkeypatch.delitem(sys.modules, "gem", raising=False)
    scope: dict[str, Any] = {}
    exec(blocks(PAGE, "python")[1], scope)
    assert (example / "retrieval.onnx").stat().st_size > 0
    assert scope["conversion"].oracle == {"GeM": scope["gem"]}


@pytest.mark.parametrize("opset", sorted({*OPSETS, 18}))
def test_what_the_example_computes(example: Path, opset: int) -> None:
    found = plugin.load(["gem.py"])
    conversion = cbc.convert(
        "retrieval.prototxt", "retrieval.caffemodel",
        layers=cbc.LAYERS | found.layers, oracle=found.oracle, opset=opset, batch="dynamic",
    )  # fmt: skip
    assert conversion.findings == ()  # gem_param is its own business
    inputs = {"data": values("data", 5, 3, 7, 9)}
    rules = {**oracle.LAYERS, **found.oracle}
    wanted = oracle.run(conversion.net, conversion.located.blobs, inputs, np.float32, rules=rules)
    for level in LEVELS:
        assert_close(run(conversion, inputs, level)["gem"], wanted["gem"])


def test_its_own_refusal_has_file_line_and_layer(example: Path) -> None:
    path = example / "retrieval.prototxt"
    path.write_text(path.read_text().replace("0.001", "0"))
    with pytest.raises(cbc.InvalidNetError, match=r'retrieval.prototxt:7: layer "gem" \(GeM\): gem_param: eps must be'):
        cbc.convert("retrieval.prototxt", "retrieval.caffemodel", layers=cbc.LAYERS | plugin.load(["gem.py"]).layers)


def test_the_default_where_there_is_no_block(example: Path) -> None:
    path = example / "retrieval.prototxt"
    path.write_text(path.read_text().replace("gem_param { eps: 0.001 }", ""))
    graph = cbc.shapes("retrieval.prototxt", layers=cbc.LAYERS | plugin.load(["gem.py"]).layers)
    assert graph.nodes[-1].layer.eps == 1e-6


def test_without_a_rule_nothing_is_proven(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "gem.py").write_text(blocks(PAGE, "python")[0].replace("ORACLE", "WITNESS"))
    assert command(words(blocks(PAGE, "sh")[0])) == 4
    assert 'does not know the layer type "GeM"' in capsys.readouterr().err


def test_the_file_can_be_verified_again(example: Path) -> None:
    assert command(words(blocks(PAGE, "sh")[0])) == 0
    files = ["retrieval.prototxt", "retrieval.caffemodel", "retrieval.onnx"]
    assert command(["verify", *files]) == 4
    assert command(["verify", *files, "--plugin", "gem.py"]) == 0


@pytest.mark.parametrize("arguments", [["lint", "--select", "NET"], ["inspect"], ["inspect", "--graph", "mermaid"]])
def test_other_commands_know_it(example: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command([*arguments, "retrieval.prototxt", "retrieval.caffemodel", "--plugin", "gem.py"]) == 0
    assert "not supported" not in "".join(capsys.readouterr())


def test_a_wrong_plugin_is_found_out(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = blocks(PAGE, "python")[0].replace('e.op("Reciprocal", p)', "p")
    (example / "gem.py").write_text(text)
    assert command(words(blocks(PAGE, "sh")[0])) == 1
    assert not (example / "retrieval.onnx").exists()


def test_a_type_of_ours_is_replaced(tmp_path: Path) -> None:
    text = """
from caffe_bn_convert.layers.base import Layer
class Half(Layer):
    def emit(self, e, x, w):
        return [e.op("Mul", x[0].name, e.constant(0.5))]
LAYERS = {"ReLU": Half}
"""
    (tmp_path / "half.py").write_text(text)
    prototxt, _ = write_net(tmp_path, input_layer(2, 3) + layer("ReLU", "y", rest="relu_param { steepness: 3 }"))
    conversion = cbc.convert(prototxt, layers=cbc.LAYERS | plugin.load([tmp_path / "half.py"]).layers)
    x = values("data", 2, 3)
    np.testing.assert_array_equal(run(conversion, {"data": x})["y"], x * np.float32(0.5))


def test_the_last_of_two_plugins_wins(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(
            "from caffe_bn_convert.layers.rectifier import ReLU\n"
            f"class {name}(ReLU):\n    pass\nLAYERS = {{'X': {name}}}\n"
        )
    assert plugin.load([tmp_path / "one.py", tmp_path / "two.py"]).layers["X"].__name__ == "two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "p.py: there is no such plug-in file"),
        ("a = 1\nb = a +\n", "p.py:2: the plug-in does not run: SyntaxError"),
        ("a = 1\n\nimport no_such_module_here\n", "p.py:3: the plug-in does not run: ModuleNotFoundError"),
        ("def f():\n    1 / 0\nf()\n", "p.py:2: the plug-in does not run: ZeroDivisionError"),
        ("a = 1\n", 'p.py: a plug-in ends in LAYERS = {"Type": …}, this one has no such dict'),
        ("LAYERS = {'Foo': 3}\n", "LAYERS['Foo']: 3 is no class that derives from"),
        ("from caffe_bn_convert.layers.base import Layer\nLAYERS = {'Foo': Layer}\n", "does not say how to `emit` it"),
        ("LAYERS = {}\nORACLE = {'Foo': 3}\n", "ORACLE['Foo']: 3 is no function"),
        ("LAYERS = {3: int}\n", "LAYERS[3]: the key is no string"),
    ],
)
def test_what_is_no_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "p.py").write_text(text)
    prototxt, _ = write_net(tmp_path, input_layer(2, 3) + layer("ReLU", "y"))
    assert command([str(prototxt), "-o", "out.onnx", "--plugin", "p.py"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_a_model_file_never_imports(tmp_path: Path) -> None:
    """A Python layer names a module; the module lies there, and is left alone."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')\n")
    rest = 'python_param { module: "evil" layer: "Evil" }'
    prototxt, _ = write_net(tmp_path, input_layer(2, 3) + layer("Python", "y", rest=rest))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend(str(tmp_path))
        with pytest.raises(cbc.UnsupportedError):
            cbc.convert(prototxt)
    assert "evil" not in sys.modules
