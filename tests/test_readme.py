"""README.md, word for word, on the files of fixtures/digits."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from caffe_bn_convert.cli import run
from tests.paths import FIXTURES, ROOT

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line, comments=True) for line in re.findall(r"^    caffe-bn-convert (.*)$", PAGE, re.MULTILINE)]
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    folder = tmp_path / "digits"
    shutil.copytree(FIXTURES / "digits", folder)
    shutil.copy(folder / "digits.caffemodel", folder / "weights.caffemodel")
    monkeypatch.chdir(folder)
    return folder


def test_the_commands(digits, capsys):
    assert len(COMMANDS) == 10
    for arguments in COMMANDS:
        assert run(arguments) == 0, capsys.readouterr().err
    assert (digits / "out.onnx").is_file()
    assert (digits / "deployed.prototxt").is_file()


def test_the_first_command_and_the_one_without_make(monkeypatch, tmp_path):
    (line,) = re.findall(r"^    \.venv/bin/caffe-bn-convert (.*)$", PAGE, re.MULTILINE)
    shutil.copytree(FIXTURES / "digits", tmp_path / "fixtures" / "digits")
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(line)) == 0
    assert (tmp_path / "digits.onnx").is_file()


def test_python(digits):
    library = next(block for block in PYTHON if "import caffe_bn_convert as cbc" in block)
    names: dict[str, object] = {}
    exec(compile(library, "README.md", "exec"), names)
    assert names["report"].passed
    assert names["model"].graph.node


def test_pages_and_extras_exist():
    for page in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / page).is_file(), page
    extras = re.search(r"^Extras: (.*?)\.\n", PAGE, re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(\w+)` \(", extras[1])) | {"dev"}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert named == set(re.findall(r"^(\w+) = \[", block, re.MULTILINE))
