"""Reports as one HTML page that needs nothing else: plots as SVG, tables that sort, light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from caffe_bn_convert._version import __version__
from caffe_bn_convert.verify.report.page import SCRIPT, STYLE
from caffe_bn_convert.verify.report.plots import along_the_net, channels
from caffe_bn_convert.verify.report.text import MODES, counted, diverging, headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.compare import Deviation
    from caffe_bn_convert.verify.report.model import Report, Statistics, Status

MOST_PLOTS = 24
NUMBERS = frozenset({"line", "error", "noise", "allowed", "error / allowed"})
WORDS = {"proven": "Proven", "failed": "Failed", "unproven": "Unproven"}
MARKS: dict[Status, str] = {"pass": "ok", "fail": "wrong", "no proof": "no proof"}


def render(report: Report) -> str:
    """The report as an HTML document."""
    title = escape(report.net or report.model)
    parts = [
        _head(report, title),
        _divergence(report),
        _outputs(report),
        _net(report),
        _statistics(report),
        _about(report),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}: {WORDS[report.verdict]}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _head(report: Report, title: str) -> str:
    facts = {
        "outputs": str(len({output.name for output in report.outputs})),
        "inner blobs": str(len(report.blobs)),
        "inputs": str(len(report.feeds)),
        "numbers per input": f"{report.compared:,}",
        "worst error / allowed": f"{report.worst.ratio:.2g}",
    }
    boxes = "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in facts.items())
    return (
        f'<header><p class="verdict {report.verdict}">{WORDS[report.verdict]}</p><h1>{title}</h1>'
        f"<p>{escape(report.model)} beside {escape(report.prototxt)}</p></header>\n<dl class=facts>{boxes}</dl>"
    )


def _divergence(report: Report) -> str:
    if report.divergence is None:
        return ""
    lines = escape("\n".join(diverging(report.divergence, report.feeds)))
    return f"<section><h2>Where it first goes wrong</h2><pre>{lines}</pre></section>"


def _outputs(report: Report) -> str:
    if not report.outputs:
        return ""
    rows = []
    for o in report.outputs:
        cells = [_cell(MARKS[o.status]), _code(o.name), _cell(MODES[o.optimised]), *_numbers(o.deviation)]
        rows.append((o.status, [*cells, _cell(o.deviation.what or o.note)]))
    head = ["", "output", "runtime", "error", "noise", "allowed", "error / allowed", ""]
    return f"<section><h2>Outputs</h2>{_table(head, rows)}</section>"


def _net(report: Report) -> str:
    if not report.blobs:
        return ""
    rows = []
    for place, b in enumerate(report.blobs):
        line = "" if b.line is None else str(b.line)
        how = "on the runtime's own bottoms" if b.jumps else ""
        cells = [
            _number(place),
            _cell(MARKS[b.status]),
            _code(b.name),
            _cell(b.type),
            _number(line),
            *_numbers(b.worst),
        ]
        rows.append((b.status, [*cells, _cell(b.worst.what or how)]))
    head = ["", "", "blob", "layer type", "line", "error", "noise", "allowed", "error / allowed", ""]
    return (
        f"<section><h2>Along the net</h2><p>The worst error of every blob, in the order of the net, over the noise that "
        f"float32 itself makes there and under what is allowed.</p>{along_the_net(report.blobs)}{_table(head, rows)}</section>"
    )


def _statistics(report: Report) -> str:
    if not report.statistics:
        return ""
    shown = report.statistics[:MOST_PLOTS]
    plots = "".join(_plot(one) for one in shown)
    more = len(report.statistics) - len(shown)
    rest = f"<p>{more} more are in the JSON report.</p>" if more > 0 else ""
    return (
        "<section><h2>Batch normalisation</h2><p>What each layer does to its channels, with the Scale behind it: "
        "y = scale × x + shift, scale in blue, shift in orange. Channels are sorted by variance; a scale far from the "
        "others, or a variance near eps, is where folding is delicate.</p>"
        f'<div class="plots">{plots}</div>{rest}</section>'
    )


def _plot(one: Statistics) -> str:
    caption = f"{one.layer}, {counted(len(one.scale), 'channel')}"
    return f"<figure>{channels(one)}<figcaption>{escape(caption)}</figcaption></figure>"


def _about(report: Report) -> str:
    feeds = "".join(f"<li>{escape(feed)}</li>" for feed in report.feeds)
    checks = "".join(f"<li>{MARKS[c.status]}: {escape(c.name)}: {escape(c.what)}</li>" for c in report.checks)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    lists = f"<h3>Checks</h3><ul>{checks}{notes}</ul>" if checks or notes else ""
    return (
        f"<section><h2>How it was proven</h2><p>{escape(headline(report))}. The reference is Caffe's forward pass in "
        f"float64, computed apart from the conversion. Seed {report.seed}, {report.seconds:.2f} seconds, "
        f"caffe-bn-convert {__version__}.</p><h3>Inputs</h3><ol>{feeds}</ol>{lists}</section>"
    )


def _numbers(d: Deviation) -> list[str]:
    return [_number(f"{value:.3g}") for value in (d.error, d.noise, d.tolerance, d.ratio)]


def _table(head: Sequence[str], rows: Sequence[tuple[Status, Sequence[str]]]) -> str:
    top = "".join(_heading(name) for name in head)
    body = "".join(f'<tr class="{status.replace(" ", "-")}">{"".join(cells)}</tr>' for status, cells in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _heading(name: str) -> str:
    if not name:
        return "<th></th>"
    kind = ' class="number"' if name in NUMBERS else ""
    return f'<th scope="col"{kind}><button type="button">{name}</button></th>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _code(text: str) -> str:
    return f"<td><code>{escape(text)}</code></td>"


def _number(text: object) -> str:
    return f'<td class="number">{escape(str(text))}</td>'
