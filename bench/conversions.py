"""Our conversions beside a plain copy and beside hashing, and the targets."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.machine import table
from bench.measure import Run, Spread, in_turn, ratio

if TYPE_CHECKING:
    from pathlib import Path

    from bench.nets import Net

PROVEN = 30  # megabytes up to which conversions with verification are measured, too
LARGE = 2000  # megabytes from which runs are few and numbers cannot lie in the ONNX file

START, COPY, HASH = "`import numpy, onnx`", "`cp` and fsync", "`sha256sum`"


def command(net: Net, out: Path, *options: str) -> list[str]:
    """Our command for ``net``."""
    return [
        sys.executable, "-m", "caffe_bn_convert", "--no-config", "convert", str(net.prototxt), str(net.caffemodel),
        "-o", str(out / "ours.onnx"),
        "--quiet", "--allow", "all", *options,
    ]  # fmt: skip


def commands(net: Net, out: Path) -> dict[str, list[str]]:
    """What is measured for one net."""
    large, copy = net.megabytes > LARGE, str(out / "copy")
    found = {
        START: [sys.executable, "-c", "import numpy, onnx"],
        COPY: ["sh", "-c", f"cp {net.caffemodel} {copy} && sync {copy}"],
        HASH: ["sha256sum", str(net.caffemodel)],
    }
    for mode in ("external", "in-place") if large else ("embed", "external", "in-place"):
        for provenance in ("none", "sha256"):
            name = f"{mode}, provenance {provenance}"
            found[name] = command(net, out, "--weights", mode, "--provenance", provenance, "--no-verify")
    if net.megabytes < PROVEN:
        found["embed, provenance sha256, verified"] = command(net, out)
    return found


def measured(net: Net, work: Path, runs: int) -> dict[str, list[Run]]:
    """All runs for one net. The ONNX file goes into the folder of the caffemodel, as in-place wants it."""
    out = work / "nets"
    del work

    def clean() -> None:
        for path in [out / "copy", *out.glob("ours.onnx*")]:
            path.unlink(missing_ok=True)

    found = in_turn(commands(net, out), min(runs, 3) if net.megabytes > LARGE else runs, before=clean)
    clean()
    return found


@dataclass(frozen=True)
class Target:
    """A bound on the wall time or the memory of one kind of run of one net."""

    net: str
    what: str
    run: str
    bound: str

    def row(self, runs: dict[str, dict[str, list[Run]]]) -> tuple[str, ...] | None:
        """A row of the table of targets; None if the net was not measured."""
        if self.run not in runs.get(self.net, {}):
            return None
        if any(run.code for run in runs[self.net][self.run]):
            return self.net, self.what, self.bound, "", "it fails", "missed"
        found = {name: Spread.of([run.wall for run in each]).median for name, each in runs[self.net].items()}
        peaks = {name: Spread.of([run.peak for run in each]).median for name, each in runs[self.net].items()}
        start, copy, digest = found[START], found[COPY], found[HASH]
        if self.bound == "memory":
            bound, is_, unit = peaks[START] + 30, peaks[self.run], "MiB"
        else:
            known = {
                "start + 0.15": start + 0.15,
                "1.15 × copy + start": 1.15 * copy + start,
                "1.15 × max(copy, hash) + start": 1.15 * max(copy, digest) + start,
            }
            bound, is_, unit = known[self.bound], found[self.run], "s"
        words = "start + 30 MiB" if self.bound == "memory" else self.bound
        return (
            self.net,
            self.what,
            words,
            f"{bound:.2f} {unit}",
            f"{is_:.2f} {unit}",
            "met" if is_ <= bound else "missed",
        )


TARGETS = (
    Target("VGG-16", "embedded, with digests", "embed, provenance sha256", "1.15 × max(copy, hash) + start"),
    Target("VGG-16", "embedded", "embed, provenance none", "1.15 × copy + start"),
    Target("VGG-16", "memory", "embed, provenance sha256", "memory"),
    Target("VGG-16", "in place", "in-place, provenance none", "start + 0.15"),
    Target("wide", "in place", "in-place, provenance none", "start + 0.15"),
    Target("wide", "memory", "external, provenance sha256", "memory"),
    Target("open-nsfw", "embedded", "embed, provenance none", "start + 0.15"),
    Target("open-nsfw", "embedded, with digests", "embed, provenance sha256", "start + 0.15"),
)


def section(nets: list[Net], work: Path, runs: int) -> str:
    """Tables of all nets and of the targets."""
    found: dict[str, dict[str, list[Run]]] = {}
    parts = []
    for net in nets:
        print(net.name, file=sys.stderr)
        found[net.name] = each = measured(net, work, runs)
        parts.append(f"### {net.name}, {net.megabytes:.1f} MB\n\n{_rows(each)}")
    targets = [row for row in (target.row(found) for target in TARGETS) if row is not None]
    head = ("net", "what", "bound", "that is", "measured", "")
    small = _small(runs)
    return "\n\n".join(["## Targets", table(head, [*targets, *small]), "## Conversions, without verification", *parts])


def _rows(runs: dict[str, list[Run]]) -> str:
    head = ("command", "wall, s", "CPU, s", "peak, MiB", "wall / `cp`")
    rows = []
    for name, each in runs.items():
        if any(run.code for run in each):
            rows.append((name, f"exit {each[0].code}", "", "", ""))
            continue
        wall, cpu, peak = (Spread.of([getattr(run, what) for run in each]) for what in ("wall", "cpu", "peak"))
        beside = ratio([run.wall for run in each], [run.wall for run in runs[COPY]])
        rows.append((name, wall.text(3), cpu.text(3), f"{peak.median:.0f}", beside.text()))
    return table(head, rows)


def _small(runs: int) -> list[tuple[str, ...]]:
    """Commands that convert nothing."""
    program = [sys.executable, "-m", "caffe_bn_convert"]
    found = in_turn({"`--help`": [*program, "--help"], "`layers`": [*program, "layers"]}, runs)
    rows = []
    for name, bound in (("`--help`", 0.15), ("`layers`", None)):
        wall = Spread.of([run.wall for run in found[name]])
        verdict = "" if bound is None else "met" if wall.median <= bound else "missed"
        rows.append(
            (name, "wall", "0.15 s" if bound else "", f"{bound} s" if bound else "", f"{wall.median:.2f} s", verdict)
        )
    return rows
