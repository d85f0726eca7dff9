"""An inspection as text, and as data for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.inspect.model import Inspection, Row, Statistics, Value

_WIDEST = 44
_SOME_DEAD = 6


def as_data(inspection: Inspection) -> dict[str, Any]:
    """Everything, for ``json.dumps``; infinities and NaN, which JSON has no words for, as text."""
    totals = {"layers": len(inspection.rows), "parameters": inspection.parameters, "macs": inspection.macs,
              "bytes": inspection.bytes}  # fmt: skip
    return {**_finite(asdict(inspection)), "totals": totals}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def as_text(inspection: Inspection, *, verbose: bool = False) -> str:
    """The tables: layers, totals, BatchNorm statistics; all notes with ``verbose``."""
    parts = [_head(inspection), _table(_layers(inspection.rows)), _totals(inspection)]
    if inspection.statistics:
        parts.append(_table(_statistics(inspection.statistics)))
    parts += _notes(inspection.notes, verbose=verbose)
    return "\n".join(part for part in parts if part) + "\n"


def _head(inspection: Inspection) -> str:
    lines = [f"{inspection.file}: {inspection.name or inspection.kind}"]
    lines += [f"  input   {_value(value)}" for value in inspection.inputs]
    lines += [f"  output  {_value(value)}" for value in inspection.outputs]
    return "\n".join([*lines, ""])


def _value(value: Value) -> str:
    return f"{value.name}  {shape_text(value.shape)}"


def shape_text(shape: Sequence[int | str] | None) -> str:
    """``1x3x224x224``; "?" for an unknown shape, "()" for a single number."""
    if shape is None:
        return "?"
    return "x".join(str(dim) for dim in shape) or "()"


def human(number: int | None) -> str:
    """A number in the form that its size asks for: 812, 1.3 k, 25.6 M, 4.1 G."""
    if number is None:
        return "?"
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)


def _layers(rows: Sequence[Row]) -> list[list[str]]:
    lines = [["layer", "type", "reads", "makes", "shape", "blobs", "parameters", "MACs", "bytes"]]
    for row in rows:
        shapes = " ".join(shape_text(top.shape) for top in row.tops)
        blobs = " ".join(shape_text(parameter.shape) for parameter in row.parameters)
        makes = " ".join("(in place)" if top.name in row.bottoms else top.name for top in row.tops)
        lines.append([row.name, row.type, " ".join(row.bottoms), makes, shapes, blobs,
                      human(row.count) if row.count else "", human(row.macs) if row.macs != 0 else "",
                      human(row.bytes) if row.bytes != 0 else ""])  # fmt: skip
    return lines


def _statistics(found: Sequence[Statistics]) -> list[list[str]]:
    lines = [
        ["", "", "", "", "", "", "", ""],
        ["BatchNorm", "channels", "factor", "mean", "variance", "gamma", "beta", "dead"],
    ]
    for each in found:
        dead = ", ".join(str(channel) for channel in each.dead[:_SOME_DEAD]) + (
            ", …" if len(each.dead) > _SOME_DEAD else ""
        )
        lines.append([each.layer, str(each.channels), "" if each.factor is None else f"{each.factor:.6g}", _range(each.mean),
                      _range(each.variance), _range(each.gamma), _range(each.beta),
                      f"{len(each.dead)}: {dead}" if each.dead else "0"])  # fmt: skip
    return lines


def _range(values: tuple[float, float] | None) -> str:
    return "" if values is None else f"{values[0]:.3g} to {values[1]:.3g}"


def _table(lines: Sequence[Sequence[str]]) -> str:
    cut = [[cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…" for cell in line] for line in lines]
    widths = [max(len(cell) for cell in column) for column in zip(*cut, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cut
    )


def _totals(inspection: Inspection) -> str:
    unknown = sum(row.macs is None and row.count > 0 for row in inspection.rows)
    rest = f" ({unknown} layers unknown)" if unknown else ""
    weights = human(4 * inspection.parameters)
    return (
        f"\n{len(inspection.rows)} layers, {inspection.parameters:,} parameters ({weights}B as float32), "
        f"{human(inspection.macs)} multiply-accumulates{rest}, {human(inspection.bytes)}B of blobs"
    )


def _notes(notes: Sequence[str], *, verbose: bool) -> Iterator[str]:
    shown = notes if verbose else notes[:8]
    if shown:
        yield ""
    yield from (f"note: {note}" for note in shown)
    if len(shown) < len(notes):
        yield f"note: … and {len(notes) - len(shown)} more, with --verbose"
