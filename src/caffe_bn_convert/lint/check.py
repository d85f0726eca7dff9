"""Linting: every rule over one net, less what was not asked for and what comments silence."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, Where
from caffe_bn_convert.lint.checks import CHECKS
from caffe_bn_convert.lint.context import Request, read_context
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.rules import RULES
from caffe_bn_convert.lint.selection import Selection
from caffe_bn_convert.lint.suppress import read_suppressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.caffe.prototxt import Block


@dataclass(frozen=True, slots=True)
class Report:
    """What linting found.

    Attributes:
        file: the prototxt.
        tree: its text, for excerpts.
        findings: in the order of the file.
        silenced: how many findings comments silenced.
    """

    file: str
    tree: Block | None
    findings: tuple[Finding, ...]
    silenced: int = 0

    @property
    def failed(self) -> bool:
        """Whether something was found at error level."""
        return bool(self.counts["error"])

    @property
    def counts(self) -> Counter[str]:
        """How many findings of each severity."""
        return Counter(RULES[finding.code].severity for finding in self.findings)

    def excerpt(self, finding: Finding) -> str | None:
        """The line of a finding with a caret below it."""
        line, column = finding.where.line, finding.where.column
        if self.tree is None or line is None or not self.tree.source.text:
            return None
        source = self.tree.source
        start = 0
        for _ in range(line - 1):
            start = source.text.index("\n", start) + 1
        return source.excerpt(start + (column or 1) - 1)


def lint(net: NetDefinition, request: Request | None = None, selection: Selection | None = None) -> Report:
    """Run the rules over a net.

    Args:
        net: as ``read_net`` gives it, not upgraded.
        request: weights, state, input shapes and training net.
        selection: which rules; all by default.

    Raises:
        UnreadableError: the weights or the training net cannot be read.
    """
    chosen = selection or Selection()
    found = [finding for finding in _all(net, request or Request()) if chosen.has(finding.code)]
    text = net.text.source.text if net.text is not None else ""
    silence = read_suppressions(text)
    starts = sorted(layer.text.line for layer in net.layers if layer.text is not None)
    kept = [f for f in found if not silence.silence(f.code, f.where.line, _layer_line(starts, f.where.line))]
    return Report(net.file, net.text, tuple(sorted(kept, key=_order)), len(found) - len(kept))


def _all(net: NetDefinition, request: Request) -> Iterator[Finding]:
    try:
        context = read_context(net, request)
    except InvalidNetError as error:
        for problem in error.problems:
            yield Finding("NET016", problem.what, problem.where.filled(Where(net.file, 1, 1)))
        return
    for check in CHECKS:
        yield from _unique(check(context))


def _unique(findings: Iterable[Finding]) -> Iterator[Finding]:
    """A layer without its own text (of a top-level ``input``) may be found twice."""
    seen: set[tuple[str, str, Where]] = set()
    for finding in findings:
        key = (finding.code, finding.what, finding.where)
        if key not in seen:
            seen.add(key)
            yield finding


def _layer_line(starts: list[int], line: int | None) -> int | None:
    """The line on which the layer begins that a line belongs to."""
    index = bisect_right(starts, line) if line is not None else 0
    return starts[index - 1] if index else None


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return (finding.where.line or 0, finding.where.column or 0, finding.code, finding.what)
