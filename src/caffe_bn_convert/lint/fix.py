"""Mending a prototxt's text: only what a finding's edits name changes, everything else stays byte for byte."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import CannotWriteError, Where
from caffe_bn_convert.lint.check import Report, lint
from caffe_bn_convert.placement import put

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.lint.context import Request
    from caffe_bn_convert.lint.finding import Edit
    from caffe_bn_convert.lint.selection import Selection

_ROUNDS = 8
_MARK = b"\xef\xbb\xbf"


def mend(net: NetDefinition, request: Request, selection: Selection) -> tuple[str, Report, int]:
    """Apply edits until nothing is left to mend.

    Returns:
        the new text, what is still found in it, and how many findings were mended.
    """
    report = lint(net, request, selection)
    mended = 0
    for _ in range(_ROUNDS):
        fixable = [finding for finding in report.findings if finding.edits]
        if not fixable or report.tree is None:
            break
        text = apply(report.tree.source.text, (edit for finding in fixable for edit in finding.edits))
        report = lint(parse_net(text, report.file), request, selection)
        mended += len(fixable)
    return report.tree.source.text if report.tree is not None else "", report, mended


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made; of two that overlap the first, of two that are the same one."""
    out: list[str] = []
    done = 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start >= done:
            out += [text[done : edit.start], edit.text]
            done = edit.end
    return "".join([*out, text[done:]])


def difference(old: str, new: str, file: str) -> str:
    """What a mended text changes, as ``diff -u`` shows it."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), file, file, "as it is", "mended"
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def rewrite(path: Path, text: str) -> None:
    """Put a new text in the place of a prototxt: whole, or not at all. A byte order mark stays.

    Raises:
        CannotWriteError: the folder or the disk refuses.
    """
    try:
        mark = _MARK if path.read_bytes().startswith(_MARK) else b""
    except OSError as error:
        raise CannotWriteError(f"cannot be written: {error.strerror}", where=Where(file=str(path))) from error
    put(path, mark + text.encode("utf-8", "surrogateescape"))
