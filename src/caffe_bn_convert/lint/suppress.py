"""Comments in the prototxt that silence rules.

# lint: ignore[BN004]           behind text: for this line; where a layer begins on it, for the whole layer
# lint: ignore[BN004, POOL]     on a line of its own: for the next line that has text
# lint: ignore                  every rule
# lint: ignore-file[BN003]      anywhere: for the whole file
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffe_bn_convert.lint.selection import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(
    r""" "[^"\\\n]*(?:\\[^\n][^"\\\n]*)*" | '[^'\\\n]*(?:\\[^\n][^'\\\n]*)*' | (\#[^\n]*) """, re.VERBOSE
)
_IGNORE = re.compile(r"#\s*lint:\s*ignore(?P<file>-file)?(?:\s*\[(?P<codes>[^\]\n]*)\])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suppressions:
    """What comments silence: codes by line, and for the whole file; ``""`` stands for every rule."""

    lines: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    everywhere: tuple[str, ...] = ()

    def silence(self, code: str, *lines: int | None) -> bool:
        """Whether a rule is silenced on one of these lines."""
        patterns = [*self.everywhere]
        for line in lines:
            patterns += self.lines.get(line, ()) if line is not None else ()
        return any(pattern == "" or matches(pattern, code) for pattern in patterns)


def read_suppressions(text: str) -> Suppressions:
    """The suppressions in the comments of a prototxt."""
    lines: dict[int, tuple[str, ...]] = defaultdict(tuple)
    everywhere: tuple[str, ...] = ()
    for offset, comment in comments(text):
        found = _IGNORE.search(comment)
        if found is None:
            continue
        codes = tuple(code.strip() for code in (found["codes"] or "").split(",") if code.strip()) or ("",)
        if found["file"]:
            everywhere += codes
        else:
            lines[_target(text, offset)] += codes
    return Suppressions(dict(lines), everywhere)


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of every comment; a ``#`` in a string is none."""
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            yield match.start(1), match[1]


def _target(text: str, offset: int) -> int:
    """The line that a comment is about, from 1."""
    start = text.rfind("\n", 0, offset) + 1
    line = text.count("\n", 0, offset) + 1
    if text[start:offset].strip(" \t\ufeff"):
        return line
    for below, content in enumerate(text[offset:].split("\n")[1:], 1):
        if content.strip() and not content.lstrip().startswith("#"):
            return line + below
    return line
