"""Reports as Markdown, for the summary page of a continuous integration job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.verify.report.text import MODES, counted, diverging, headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.report.model import Report

MOST = 12
SIGNS = {"pass": "✅", "fail": "❌", "no proof": "❔"}
VERDICTS = {"proven": "✅ proven", "failed": "❌ failed", "unproven": "❔ unproven"}


def render(report: Report) -> str:
    """The report as GitHub's Markdown."""
    parts = [f"## {VERDICTS[report.verdict]}: {escaped(report.model)}", escaped(headline(report))]
    if report.divergence is not None:
        parts.append("```\n" + "\n".join(diverging(report.divergence, report.feeds)).replace("```", "'''") + "\n```")
    if report.outputs:
        parts.append(_outputs(report))
    if report.blobs:
        parts.append(_blobs(report))
    if report.checks:
        parts.append("\n".join(f"- {SIGNS[c.status]} {escaped(c.name)}: {escaped(c.what)}" for c in report.checks))
    parts += [escaped(note) for note in report.notes]
    inputs = "\n".join(f"{number}. {escaped(feed)}" for number, feed in enumerate(report.feeds, 1))
    parts.append(
        f"<details><summary>{counted(len(report.feeds), 'input')}, seed {report.seed}</summary>\n\n{inputs}\n\n</details>"
    )
    return "\n\n".join(parts) + "\n"


def _outputs(report: Report) -> str:
    rows = []
    for o in report.outputs:
        d = o.deviation
        numbers = [f"{d.error:.3g}", f"{d.noise:.3g}", f"{d.ratio:.3g}"]
        rows.append([SIGNS[o.status], code(o.name), MODES[o.optimised], *numbers, escaped(d.what or o.note)])
    return _table(["", "output", "runtime", "error", "noise", "error / allowed", ""], rows)


def _blobs(report: Report) -> str:
    worst = sorted(report.blobs, key=lambda blob: -blob.worst.ratio)[:MOST]
    rows = []
    for b in worst:
        d = b.worst
        line = "" if b.line is None else str(b.line)
        rows.append(
            [SIGNS[b.status], code(b.name), escaped(b.type), line, f"{d.error:.3g}", f"{d.noise:.3g}", f"{d.ratio:.3g}"]
        )
    table = _table(["", "blob", "layer type", "line", "error", "noise", "error / allowed"], rows)
    return f"{counted(len(report.blobs), 'blob')} inside the net compared; the worst:\n\n{table}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def escaped(text: str) -> str:
    """``text`` without meaning to Markdown."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")


def code(text: str) -> str:
    """``text`` as code inside a table."""
    return "`" + text.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`"
