"""Changes to a prototxt's text: what is not touched stays as it was written, comments and blanks included.

edits = Edits(text)
edits.remove(field)              # a field of the tree, with a comment behind it on its line
edits.value(field, "true")       # its value
edits.add(block_field, 'top: "x"', after=field)
edits.replace(field, "layer { ... }")
edits.apply()                    # the new text
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.prototxt.tree import Field

_TOKEN = re.compile(
    r"""[ \t\n\r\v\f]+ | \#[^\n]*
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<open> [{<\[] ) | (?P<close> [}>\]] ) | (?P<mark> [:,;] )
    | (?P<word> [^\s"'{}<>\[\]:,;\#]+ )""",
    re.VERBOSE,
)
_REST_OF_LINE = re.compile(r"[ \t\r]*[,;]?[ \t\r]*(?:\#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"[ \t]*\#[^\r\n]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)+")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a field stands in the text: from its name, to the end of its value.

    Attributes:
        start, end: of the whole field.
        value: where its value begins; the opening brace of a block.
    """

    start: int
    end: int
    value: int


def span(text: str, field: Field) -> Span:
    """Where a field stands; for a field out of a list, the whole list."""
    start = _start_of_list(text, field) if field.listed else field.offset
    at, value, depth = _behind_name(text, start), -1, 0
    string = False
    for match in _TOKEN.finditer(text, at):
        kind = match.lastgroup
        if kind is None or (kind == "mark" and value < 0):
            continue
        if string and kind != "string":
            break  # strings one after the other are one value
        value = match.start() if value < 0 else value
        depth += (kind == "open") - (kind == "close")
        string = kind == "string" and not depth
        at = match.end()
        if not depth and not string and match[0] != "-":
            break
    return Span(start, at, value)


def _behind_name(text: str, start: int) -> int:
    match = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\[[^\]]*\]").match(text, start)
    assert match is not None
    return match.end()


def _start_of_list(text: str, field: Field) -> int:
    """Where the name of the list stands that a field is out of."""
    last = None
    for match in re.finditer(rf"\b{re.escape(field.name)}\s*:?\s*\[", text[: field.offset]):
        last = match
    assert last is not None
    return last.start()


class Edits:
    """Changes of one text, collected by position and made at once.

    Args:
        text: the text that the tree was parsed from.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._removed: dict[int, int] = {}
        self._written: list[tuple[int, int, str]] = []

    def remove(self, field: Field) -> None:
        """Take a field out, with its line where nothing else stands there."""
        place = span(self.text, field)
        self._removed[place.start] = place.end

    def replace(self, field: Field, text: str) -> None:
        """Put other text in a field's place; ``text`` has lines that end in a newline only between them."""
        place = span(self.text, field)
        indent = self.indent(place.start) or ""
        self._write(place.start, place.end, text.replace("\n", "\n" + indent))

    def value(self, field: Field, text: str, *, drop_comment: bool = False) -> None:
        """Give a field another value; a comment behind it may have become untrue."""
        place = span(self.text, field)
        comment = _COMMENT.match(self.text, place.end) if drop_comment else None
        self._write(place.value, comment.end() if comment is not None else place.end, text)

    def add(self, after: Field, text: str) -> None:
        """Put a field behind another one: on a line of its own where that one has one."""
        place = span(self.text, after)
        indent = self.indent(place.start)
        rest = _REST_OF_LINE.match(self.text, place.end)
        if indent is None or rest is None:
            self._write(place.end, place.end, " " + text)
            return
        end = rest.end()
        start = "" if self.text[end - 1 : end] == "\n" else "\n"
        self._write(end, end, start + indent + text.replace("\n", "\n" + indent) + "\n")

    def add_first(self, block: Field, text: str) -> None:
        """Put a field at the beginning of a block."""
        place = span(self.text, block)
        following = re.compile(r"[ \t]*(?:\#[^\n]*)?\r?\n([ \t]*)(?=[^\s}>])").match(self.text, place.value + 1)
        if following is None:
            self._write(place.value + 1, place.value + 1, " " + text)
        else:
            self._write(following.start(1), following.start(1), following[1] + text + "\n")

    def append(self, text: str) -> None:
        """Put text at the end, on a line of its own."""
        start = "" if not self.text or self.text.endswith("\n") else "\n"
        self._write(len(self.text), len(self.text), start + text + "\n")

    def indent(self, start: int) -> str | None:
        """The blanks before a position, if nothing else stands before it on its line."""
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        return before if not before.strip(" \t") else None

    def apply(self) -> str:
        """The text with all changes made. Whatever lies in something removed or replaced goes with it."""
        changes = sorted([*self._written, *self._removals()], key=lambda c: (c[0], c[0] != c[1], -c[1]))
        parts: list[str] = []
        done = 0
        for start, end, text in changes:
            if start < done:
                continue
            parts += [self.text[done:start], text]
            done = end
        return "".join([*parts, self.text[done:]])

    def _write(self, start: int, end: int, text: str) -> None:
        self._written.append((start, end, text.replace("\n", self.newline)))

    def _removals(self) -> list[tuple[int, int, str]]:
        """What to cut: neighbours as one, whole lines where a line holds nothing else."""
        runs: list[list[int]] = []
        for start, end in sorted(self._removed.items()):
            if runs and start < runs[-1][1]:
                continue
            if runs and not self.text[runs[-1][1] : start].strip(" \t,;"):
                runs[-1][1] = end
            else:
                runs.append([start, end])
        return [(*self._tidy(start, end), "") for start, end in runs]

    def _tidy(self, start: int, end: int) -> tuple[int, int]:
        rest = _REST_OF_LINE.match(self.text, end)
        indent = self.indent(start)
        if rest is None or indent is None:
            return self._inline(start, end)
        start, end = start - len(indent), rest.end()
        blank = _BLANK_LINES.match(self.text, end)
        if blank is not None and (start == 0 or self.text[:start].endswith(("\n\n", "\n\r\n"))):
            end = blank.end()
        return start, end

    def _inline(self, start: int, end: int) -> tuple[int, int]:
        """A field among others on its line goes with its separator and the blanks on one side."""
        while self.text[end : end + 1] in (",", ";"):
            end += 1
        if self.text[start - 1 : start] in (" ", "\t") or self.indent(start) is not None:
            while self.text[end : end + 1] in (" ", "\t") and not _REST_OF_LINE.match(self.text, end):
                end += 1
        if _REST_OF_LINE.match(self.text, end) and self.indent(start) is None:
            start = len(self.text[:start].rstrip(" \t"))
        return start, end
