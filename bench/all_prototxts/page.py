"""What came of it: a table for the terminal, and bench/PROTOTXTS.md."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from bench.machine import table as markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.all_prototxts.jobs import Result

GOOD = ("proven", "runs")
HEAD = """# Real prototxts

Written by `python -m bench.all_prototxts FOLDER --results results.jsonl --jobs 2 --write bench/PROTOTXTS.md`; do not edit.
FOLDER holds 603 prototxts as people published them, one file each. Weights are made on the spot, always the same ones: for
each net one forward pass fits them to what arrives at each layer (`bench/fitted.py`). Each net is converted and proven as
the command does it, with the settings that it has; that it is *proven* says that every blob of the net was right for every
input of the proof, and that all outputs are finite and not constant. A pass takes hours; the results file is continued
where it was left, and what did not come out then was tried again with the code as it was by then and with more time.

What counts was fixed before anything was converted (`bench/all_prototxts/rule.py`): every prototxt that Caffe reads as a
net and that, in the TEST phase, has no loss, or none once losses, measures and what only they read are left out, and then
computes something. A net without inputs in the TEST phase counts as what `deploy` makes of it, or not at all where that is
nothing. What we cannot read because a fork's layer is not known counts."""


def table(results: Sequence[Result], counted: int, total: int) -> str:
    """A short table in lines."""
    verdicts = Counter(result.verdict for result in results)
    lines = [f"{total} prototxts, {counted} of them inference nets; {len(results)} tried", ""]
    lines += [f"{count:5}  {verdict}" for verdict, count in verdicts.most_common()]
    reasons = Counter((r.verdict, r.why) for r in results if r.verdict not in GOOD)
    lines += ["", *(f"{count:5}  {verdict}: {why}" for (verdict, why), count in reasons.most_common())]
    return "\n".join([*lines, "", _share(results)])


def _share(results: Sequence[Result]) -> str:
    good = sum(result.verdict in GOOD for result in results)
    return f"{good} of the {len(results)} tried ({good / max(1, len(results)):.1%}) are proven, or run"


def page(results: Sequence[Result], out: Mapping[str, str]) -> str:
    """The page.

    Args:
        results: of the nets that count.
        out: why a prototxt does not count, by name; "" for those that do.
    """
    counts = Counter(result.verdict for result in results)
    versions = ", ".join(f"{name} {version(name)}" for name in ("caffe-bn-convert", "onnxruntime", "onnx", "numpy"))
    left = sorted((r.verdict, r.why, r.name) for r in results if r.verdict != "proven")
    parts = [
        HEAD,
        f"With {versions}, Python {platform.python_version()}.",
        "## Figures",
        _figures(results, out),
        markdown(("verdict", "nets"), [(verdict, str(count)) for verdict, count in counts.most_common()]),
        "## Those that are not proven",
        markdown(("prototxt", "verdict", "why"), _cells((name, verdict, why) for verdict, why, name in left)),
        "## Those that do not count",
        markdown(("prototxt", "why"), _cells((name, why) for name, why in sorted(out.items()) if why)),
    ]
    return "\n\n".join(parts)


def _figures(results: Sequence[Result], out: Mapping[str, str]) -> str:
    counted = sum(not why for why in out.values())
    good = sum(result.verdict == "proven" for result in results)
    times = sorted(result.seconds for result in results) or [0.0]
    return (
        f"{len(out)} prototxts, {counted} of them inference nets, {len(results)} tried: **{good} proven"
        f" ({good / max(1, counted):.1%} of those that count)**. A net took {times[len(times) // 2]:g} s in the median"
        f" and {times[-1]:g} s at most, with whatever else the machine had to do."
    )


def _cells(rows: Iterable[Sequence[str]]) -> Iterable[Sequence[str]]:
    """Rows without what would end a cell of a Markdown table."""
    return [[cell.replace("|", "\\|") for cell in row] for row in rows]
