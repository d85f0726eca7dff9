"""Help for a terminal of 80 columns, with commands in it that exist."""

from __future__ import annotations

import re
import shlex

import pytest

from caffe_bn_convert.cli import COMMANDS, commands, run


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_it_fits(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*([name] if name else []), "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", list(COMMANDS))
def test_its_examples_parse(name):
    command = commands.get_command(None, name)
    text = (command.help or "").replace("\\\n", " ")
    examples = [shlex.split(line)[1:] for line in re.findall(r"^ +(caffe-bn-convert .*)$", text, re.MULTILINE)]
    assert examples
    for arguments in examples:
        command.make_context(name, arguments[arguments[0] == name :], resilient_parsing=False)
