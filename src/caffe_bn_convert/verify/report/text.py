"""Reports for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.verify.compare import Deviation
    from caffe_bn_convert.verify.report.model import BlobResult, Divergence, OutputResult, Report

MOST = 8
MODES = {False: "as written", True: "optimised"}


def table(report: Report, *, verbose: bool = False) -> str:
    """A short table: outputs, then the worst inner values, then whatever failed."""
    lines = [headline(report), ""]
    lines += _outputs(report.outputs)
    blobs = sorted(report.blobs, key=lambda blob: -blob.worst.ratio)
    shown = blobs if verbose else [b for b in blobs if b.status == "fail"][:MOST] or blobs[:3]
    if shown:
        lines += ["", f"blobs inside the net, {len(report.blobs)} compared, worst first"]
        lines += _columns([_blob(blob) for blob in shown])
    lines += [f"{_sign(check.status)} {check.name}: {check.what}" for check in report.checks]
    if report.divergence is not None:
        lines += ["", *diverging(report.divergence, report.feeds)]
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(lines)


def headline(report: Report) -> str:
    """One line: the verdict and what it rests on."""
    what = counted(len(report.outputs) // 2 or len(report.outputs), "output")
    if report.blobs:
        what += f" and {counted(len(report.blobs), 'inner blob')}"
    worst = report.worst
    if not report.feeds:
        return f"{report.verdict}: nothing could be compared, {report.provider}"
    return (
        f"{report.verdict}: {what} on {counted(len(report.feeds), 'input')}, {report.provider}; "
        f"worst error {worst.ratio:.2g} of its tolerance ({report.rule})"
    )


def counted(number: int, what: str) -> str:
    """``1 output``, ``2 outputs``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def remarks(report: Report) -> list[str]:
    """What a reader of the headline should know besides: outputs that prove nothing, checks, notes."""
    within = bool(report.blobs) and report.verdict == "proven"
    lines = {f'output "{o.name}" proves nothing, {o.note}' + PROVEN_WITHIN * within: None
             for o in report.outputs if o.status == "no proof"}  # fmt: skip
    return [*lines, *(f"{check.name}: {check.what}" for check in report.checks), *report.notes]


PROVEN_WITHIN = "; the blobs inside the net were compared"


def summary(report: Report) -> str:
    """What is wrong, in a few sentences."""
    if report.divergence is not None:
        return "the ONNX file does not compute what Caffe computes.\n" + "\n".join(
            diverging(report.divergence, report.feeds)
        )
    failed = [f"{check.name}: {check.what}" for check in report.checks if check.status == "fail"]
    failed += [
        f'output "{o.name}", {MODES[o.optimised]}: {numbers(o.deviation)}' for o in report.outputs if o.status == "fail"
    ]
    return "; ".join(failed) or f"verdict: {report.verdict}"


def diverging(found: Divergence, feeds: Sequence[str]) -> Iterator[str]:
    """Where it goes wrong first, in lines."""
    where = found.where
    place = ":".join(str(part) for part in (where.file, where.line) if part is not None)
    yield f'first wrong blob: "{found.blob}" of layer "{where.layer}" ({where.type}), {place}'
    yield f"  {numbers(found.deviation)}"
    if found.feed < len(feeds):
        yield f"  input {found.feed + 1}: {feeds[found.feed]}"
    if found.explanation:
        yield f"  {found.explanation}"
    if found.channels:
        yield "  channel          scale       expected          shift       expected"
        for c in found.channels[:MOST]:
            yield f"  {c.channel:7d} {c.scale:14.7g} {c.expected_scale:14.7g} {c.shift:14.7g} {c.expected_shift:14.7g}"


def numbers(deviation: Deviation) -> str:
    """The worst place, both numbers, error and noise."""
    if deviation.what and not deviation.index:
        return deviation.what
    many = f", {deviation.wrong} of {deviation.count} numbers are wrong" if deviation.wrong else ""
    return (
        f"at {list(deviation.index)} the file has {deviation.actual:.7g}, Caffe {deviation.expected:.7g}: "
        f"error {deviation.error:.3g}, allowed {deviation.tolerance:.3g}, noise {deviation.noise:.3g}{many}"
    )


def _outputs(results: Sequence[OutputResult]) -> list[str]:
    head = ["", "output", "runtime", "error", "noise", "allowed", "error/allowed", ""]
    rows = [head]
    for result in results:
        d = result.deviation
        rows.append(
            [_sign(result.status), result.name, MODES[result.optimised], f"{d.error:.3g}", f"{d.noise:.3g}",
             f"{d.tolerance:.3g}", f"{d.ratio:.3g}", d.what or result.note]
        )  # fmt: skip
    return _columns(rows) if results else []


def _blob(result: BlobResult) -> list[str]:
    d = result.worst
    place = f"line {result.line}" if result.line is not None else ""
    numbers = [f"error {d.error:.3g}", f"noise {d.noise:.3g}", f"{d.ratio:.3g}"]
    return [_sign(result.status), result.name, result.type, place, *numbers, d.what]


def _sign(status: str) -> str:
    return {"pass": "ok", "fail": "FAIL", "no proof": "?"}[status]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
