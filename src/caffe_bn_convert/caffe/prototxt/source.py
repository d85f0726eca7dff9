"""A text with its name: where an offset lies, and how an error shows it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import cached_property

from caffe_bn_convert.errors import ParseError, Where

_WIDTH = 120
"""Longest part of a line that an excerpt shows, in characters."""

_INDENT = "    "


class Source:
    """The text of a prototxt.

    Lines and columns are worked out only when somebody asks; the tree stores offsets.

    Args:
        text: the whole text.
        file: its name, for messages.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 1; a tab is one column."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def where(self, offset: int) -> Where:
        """The place of a character, for messages."""
        line, column = self.position(offset)
        return Where(self.file, line, column)

    def excerpt(self, offset: int) -> str:
        """The line around a character, and below it a caret that points at the character."""
        line, column = self.position(offset)
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        shown, at = _window(self.text[start:end].rstrip("\r"), column - 1)
        pad = "".join(_blank(character) for character in shown[:at])
        return f"{_INDENT}{printable(shown)}\n{_INDENT}{pad}^"

    def error(self, offset: int, what: str, hint: str | None = None) -> ParseError:
        """A ``ParseError`` about the character at ``offset``, to be raised by the caller."""
        return ParseError(what, hint=hint, where=self.where(offset), excerpt=self.excerpt(offset))


def _window(line: str, at: int) -> tuple[str, int]:
    """The part of a long line around position ``at``, and the position in it."""
    if len(line) <= _WIDTH:
        return line, at
    start = max(0, min(at - _WIDTH // 2, len(line) - _WIDTH))
    before, after = "…" if start else "", "…" if start + _WIDTH < len(line) else ""
    return f"{before}{line[start : start + _WIDTH]}{after}", at - start + len(before)


def printable(text: str) -> str:
    """The text with whatever a terminal could choke on replaced; tabs stay."""
    return "".join(character if character == "\t" or character.isprintable() else "\ufffd" for character in text)


def _blank(character: str) -> str:
    """White space as wide as the character is on a terminal."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
