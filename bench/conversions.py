"""Our conversions beside a plain copy and beside hashing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.machine import table
from bench.measure import Run, Spread, environment, in_turn, ratio
from bench.targets import Part, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.nets import Net

PROVEN = 30  # megabytes up to which every way of keeping weights is measured with verification, too; beyond that one is
MANY = 100  # megabytes from which runs are fewer,
LARGE = 2000  # and from which they are few, and numbers cannot lie in the ONNX file
FEWER, FEW = 7, 3

START, COPY, HASH = "`import numpy, onnx`", "`cp` and fsync", "`sha256sum`"
Figures = dict[str, list[Run]]


def command(net: Net, out: Path, *options: str) -> list[str]:
    """Our command for ``net``."""
    return [
        sys.executable, "-m", "caffe_bn_convert", "--no-config", "convert", str(net.prototxt), str(net.caffemodel),
        "-o", str(out / "ours.onnx"),
        "--quiet", "--allow", "all", *options,
    ]  # fmt: skip


def commands(net: Net, out: Path) -> dict[str, list[str]]:
    """What is measured for one net."""
    copy = str(out / "copy")
    found = {
        START: [sys.executable, "-c", "import numpy, onnx"],
        COPY: ["sh", "-c", f"cp {net.caffemodel} {copy} && sync {copy}"],
        HASH: ["sha256sum", str(net.caffemodel)],
    }
    modes = ("external", "in-place") if net.megabytes > LARGE else ("embed", "external", "in-place")
    for mode in modes:
        for provenance in ("none", "sha256"):
            name = f"{mode}, provenance {provenance}"
            found[name] = command(net, out, "--weights", mode, "--provenance", provenance, "--no-verify")
    for mode in modes if net.megabytes < PROVEN else modes[:1] if net.megabytes < LARGE else ():
        found[f"{mode}, provenance sha256, verified"] = command(net, out, "--weights", mode)
    return found


def measured(net: Net, work: Path, runs: int) -> Figures:
    """All runs for one net. The ONNX file goes into the folder of the caffemodel, as in-place wants it."""
    out = work / "nets"

    def clean() -> None:
        for path in [out / "copy", *out.glob("ours.onnx*")]:
            path.unlink(missing_ok=True)

    most = FEW if net.megabytes > LARGE else FEWER if net.megabytes > MANY else runs
    seconds = 90 if net.megabytes > LARGE else 30
    found = in_turn(
        commands(net, out), min(runs, most), before=clean, budget=lambda name: 10 if "verified" in name else seconds
    )
    clean()
    return found


def targets(net: str, runs: Figures) -> list[Target]:
    """What is wanted of this net's runs."""
    wall = {name: Spread.of([run.wall for run in each]).median for name, each in runs.items()}
    peak = {name: Spread.of([run.peak for run in each]).median for name, each in runs.items()}
    start, copy = wall[START], 1.15 * wall[COPY] + wall[START]
    hashed = 1.15 * max(wall[COPY], wall[HASH]) + wall[START]
    memory = peak[START] + 30

    def timed(what: str, run: str, bound: str, most: float) -> Target:
        return Target(net, what, bound, most, wall[run], failed=any(each.code for each in runs[run]))

    def held(run: str) -> Target:
        return Target(net, f"memory, {run}", "start + 30 MiB", memory, peak[run], "MiB", 0)

    in_place = timed("in place", "in-place, provenance none", "start + 0.15 s", start + 0.15)
    if net == "VGG-16":
        return [
            timed("embedded", "embed, provenance none", "1.15 × copy + start", copy),
            timed("embedded, with digests", "embed, provenance sha256", "1.15 × max(copy, hash) + start", hashed),
            in_place,
            held("embed, provenance sha256"),
        ]
    if net == "open-nsfw":
        return [
            timed("embedded", "embed, provenance none", "start + 0.15 s", start + 0.15),
            timed("embedded, with digests", "embed, provenance sha256", "start + 0.15 s", start + 0.15),
        ]
    return [in_place, held("external, provenance sha256")] if net == "wide" else []


def section(nets: list[Net], work: Path, runs: int) -> Part:
    """Tables of all nets, and of commands that convert nothing."""
    parts, wanted = ["## Conversions"], []
    for net in nets:
        print("conversions of", net.name, file=sys.stderr)
        each = measured(net, work, runs)
        wanted += targets(net.name, each)
        parts.append(f"### {net.name}, {net.megabytes:.1f} MB\n\n{_rows(each)}")
    small = _small(runs)
    return Part("\n\n".join([*parts, "### Without a net", _rows(small)]), [*wanted, *_small_targets(small)])


def _rows(runs: Mapping[str, list[Run]]) -> str:
    head = ("command", "wall, s", "CPU, s", "peak, MiB", "wall / `cp`", "runs")
    rows = []
    for name, each in runs.items():
        if any(run.code for run in each):
            rows.append((name, f"exit {each[-1].code}", "", "", "", str(len(each))))
            continue
        wall, cpu, peak = (Spread.of([getattr(run, what) for run in each]) for what in ("wall", "cpu", "peak"))
        beside = ratio([run.wall for run in each], [run.wall for run in runs[COPY]]).text() if COPY in runs else ""
        rows.append((name, wall.text(3), cpu.text(3), f"{peak.median:.0f}", beside, str(len(each))))
    return table(head, rows)


PROGRAM = [sys.executable, "-m", "caffe_bn_convert"]
NOTHING = {
    "`--help`": ["--help"],
    "`layers`": ["layers"],
    "a usage error": ["--no-config", "convert", "--no-such-option"],
}


def _small(runs: int) -> Figures:
    found = in_turn({name: ["sh", "-c", '"$@"; true', "sh", *PROGRAM, *words] for name, words in NOTHING.items()}, runs)
    return {START: in_turn({START: [sys.executable, "-c", "import numpy, onnx"]}, runs)[START], **found}


def _small_targets(runs: Figures) -> list[Target]:
    wall = Spread.of([run.wall for run in runs["`--help`"]]).median
    imports = [
        Target(name, "modules of onnx and onnxruntime", "none", 0, _imported(words), "", 0)
        for name, words in NOTHING.items()
    ]
    return [Target("`--help`", "wall", "0.15 s", 0.15, wall), *imports]


def _imported(words: list[str]) -> int:
    """How many modules of onnx and onnxruntime a command imports."""
    traced = [sys.executable, "-X", "importtime", *PROGRAM[1:], *words]
    lines = subprocess.run(traced, capture_output=True, text=True, env=environment()).stderr.splitlines()
    names = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    return sum(name.partition(".")[0] in ("onnx", "onnxruntime") for name in names)
