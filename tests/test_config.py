"""Options from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.config import Config, find, read
from caffe_bn_convert.errors import ParseError, UnreadableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = ("select", "ignore", "phase")


def test_none(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (tmp_path / "caffe-bn-convert.toml").write_text("")  # ends the search
    assert find(folder).table == {}


def test_pyproject(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.caffe-bn-convert.lint]\nignore = ["BN007"]\n[tool.other]\nignore = 1\n')
    assert find(tmp_path) == Config(path, {"lint": {"ignore": ["BN007"]}})


def test_the_closest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "caffe-bn-convert.toml").write_text('phase = "TEST"\n')
    assert find(inner).command("lint", KNOWN) == {"phase": "TEST"}
    (inner.parent / "pyproject.toml").write_text("[tool.other]\nx = 1\n")  # without our table: does not count
    assert find(inner).command("lint", KNOWN) == {"phase": "TEST"}
    (inner.parent / "pyproject.toml").write_text('[tool.caffe-bn-convert]\nphase = "TRAIN"\n')
    assert find(inner).command("lint", KNOWN) == {"phase": "TRAIN"}
    (inner / "caffe-bn-convert.toml").write_text("")
    assert find(inner).command("lint", KNOWN) == {}


def test_own_file_before_pyproject(tmp_path: Path) -> None:
    (tmp_path / "caffe-bn-convert.toml").write_text("a = 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.caffe-bn-convert]\na = 2\n")
    assert find(tmp_path).table == {"a": 1}


def test_a_commands_table_wins_over_the_top() -> None:
    config = Config(None, {"phase": "TEST", "keep-losses": True, "lint": {"phase": "TRAIN"}, "convert": {"opset": 13}})
    assert config.command("lint", KNOWN) == {"phase": "TRAIN"}
    assert config.command("convert", ("opset", "keep_losses")) == {"opset": 13, "keep_losses": True}


def test_an_option_that_does_not_exist() -> None:
    with pytest.raises(UsageError) as caught:
        Config(None, {"lint": {"ignroe": []}}).command("lint", KNOWN)
    assert 'did you mean "ignore"?' in str(caught.value)


def test_a_command_that_is_no_table() -> None:
    with pytest.raises(UsageError, match="takes a table"):
        Config(None, {"lint": 1}).command("lint", KNOWN)


def test_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "caffe-bn-convert.toml"
    path.write_text("a = = 1\n")
    with pytest.raises(ParseError) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", [b"a = = 1\n", b"a = '\xff'\n"])
def test_the_broken_pyproject_of_somebody_else_does_not_count(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "caffe-bn-convert.toml").write_text('phase = "TEST"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_bytes(text)
    assert find(inner).table == {"phase": "TEST"}
    (inner / "pyproject.toml").write_bytes(b"[tool.caffe-bn-convert]\n" + text)
    with pytest.raises((ParseError, UnreadableError)):
        find(inner)


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        read(tmp_path / "nothing.toml")
    (tmp_path / "bad.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(UnreadableError):
        read(tmp_path / "bad.toml")
