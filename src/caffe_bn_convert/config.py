"""Options from a file: ``[tool.caffe-bn-convert]`` in pyproject.toml, or all of caffe-bn-convert.toml.

The file is the first one found from the current folder upwards. Keys at its top are options of every command that has
them; a table with a command's name holds options of that command and wins:

    [tool.caffe-bn-convert]
    phase = "TEST"

    [tool.caffe-bn-convert.lint]
    ignore = ["BN007"]
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import ParseError, UnreadableError, UsageError, Where

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

OWN = "caffe-bn-convert.toml"
PROJECT = "pyproject.toml"
TABLE = "caffe-bn-convert"


@dataclass(frozen=True, slots=True)
class Config:
    """The options of a file.

    Attributes:
        path: the file; None where there is none.
        table: what it says.
    """

    path: Path | None = None
    table: Mapping[str, Any] = field(default_factory=dict)

    def command(self, name: str, known: Collection[str]) -> dict[str, Any]:
        """The options of one command, dashes in their names as underscores.

        Args:
            name: the command's name.
            known: the options that it has, with underscores.

        Raises:
            UsageError: its table has another option, or is no table.
        """
        shared = {_key(key): value for key, value in self.table.items() if not isinstance(value, dict)}
        own = self.table.get(name, {})
        if not isinstance(own, dict):
            raise UsageError(f'"{name}" is the name of a command and takes a table', where=self._where())
        mine = {_key(key): value for key, value in own.items()}
        for key in mine:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"it has {', '.join(sorted(known))}"
                raise UsageError(f'[{name}] has no option "{key}"', hint=hint, where=self._where())
        return {key: value for key, value in shared.items() if key in known} | mine

    def _where(self) -> Where:
        return Where(file=str(self.path) if self.path is not None else None)


def find(folder: Path | None = None) -> Config:
    """The configuration for a folder: its own file or that of the closest folder above that has one.

    In one folder caffe-bn-convert.toml wins. A pyproject.toml without our table does not count, and be it broken.

    Args:
        folder: where to begin; the current folder by default.

    Raises:
        ParseError: the file is no TOML.
        UnreadableError: it cannot be read.
    """
    try:
        start = (folder or Path.cwd()).resolve()
    except FileNotFoundError:  # somebody removed the current folder
        return Config()
    for place in (start, *start.parents):
        if _is_file(place / OWN):
            return read(place / OWN)
        if _names_us(place / PROJECT) and (config := read(place / PROJECT)).table:
            return config
    return Config()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that must not be looked into
        return False


def _names_us(project: Path) -> bool:
    """Whether a pyproject.toml can hold a table of ours; one of somebody else's may be broken or closed to us."""
    try:
        return TABLE.encode() in project.read_bytes()
    except OSError:
        return False


def read(path: Path) -> Config:
    """The configuration in one file; a pyproject.toml's is in its ``[tool.caffe-bn-convert]``.

    Raises:
        ParseError: the file is no TOML.
        UnreadableError: it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", where=Where(file=str(path))) from error
    except UnicodeDecodeError as error:
        raise UnreadableError("this is no TOML: it is no text in UTF-8", where=Where(file=str(path))) from error
    table = _parse(text, path)
    if path.name == PROJECT:
        tools = table.get("tool", {})
        table = tools.get(TABLE, {}) if isinstance(tools, dict) else {}
    return Config(path, table)


def _parse(text: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParseError(f"this is no TOML: {error}", where=Where(file=str(path))) from error


def _key(name: str) -> str:
    return name.replace("-", "_")
