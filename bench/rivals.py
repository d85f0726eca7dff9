"""Other converters beside ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.conversions import command
from bench.machine import table
from bench.measure import Spread, in_turn
from bench.targets import Part

if TYPE_CHECKING:
    from bench.nets import Net

MEGABYTES = 30  # up to which every peer is tried; some take minutes beyond
ALWAYS = ("OpenCV 4 (loads)",)  # are tried on every net below
MOST = 600
RUNS = 3
BUDGET, LIMIT = 15, 180  # seconds of all runs of a program, of one run


def installed(work: Path) -> dict[str, Path | str]:
    """For every peer its ``bin`` folder, or why there is none."""
    return {peer.name: peers.environment_of(peer.name, peer.requirements, work) for peer in peers.PEERS}


def section(nets: list[Net], found: dict[str, Path | str], work: Path, *, everywhere: bool) -> Part:
    """The tables, and who is missing.

    Args:
        nets: what is converted.
        found: the peers' ``bin`` folders.
        work: where results go.
        everywhere: try every peer on the large nets, too.
    """
    parts = [
        f"## Other converters\n\nMedians of up to {RUNS} runs in turn; a run over {BUDGET} s is not repeated."
        + ("" if everywhere else f" Beyond {MEGABYTES} MB some take minutes: `--all-peers` tries them there, too.")
    ]
    parts += [_one(net, found, work, everywhere=everywhere) for net in nets if net.megabytes < MOST]
    missing = {name: why for name, why in found.items() if isinstance(why, str)} | peers.NOT_HERE
    if not found:
        missing = {"all": "not asked for"}
    absent = "Not here: " + "; ".join(f"{name}: {why}" for name, why in missing.items()) + "."
    return Part("\n\n".join([*parts, absent]))


def _one(net: Net, found: dict[str, Path | str], work: Path, *, everywhere: bool) -> str:
    print("peers", net.name, file=sys.stderr)
    commands = {"ours, verified": command(net, folder(work, net, "ours"))} if net.megabytes < MEGABYTES else {}
    commands["ours"] = command(net, folder(work, net, "ours"), "--no-verify")
    for peer in peers.PEERS:
        binaries = found.get(peer.name)
        if isinstance(binaries, Path) and (everywhere or net.megabytes < MEGABYTES or peer.name in ALWAYS):
            commands[peer.name] = peers.words(peer, binaries, net, folder(work, net, peer.name))
    runs = in_turn(commands, RUNS, limit=LIMIT, budget=lambda _: BUDGET)
    rows = []
    for name, each in runs.items():
        wall, peak = (Spread.of([getattr(run, what) for run in each]) for what in ("wall", "peak"))
        failed = f"exit {each[-1].code}" if each[-1].code else ""
        rows.append((name, wall.text(), f"{peak.median:.0f}", failed))
    return f"### {net.name}, {net.megabytes:.1f} MB\n\n" + table(("program", "wall, s", "peak, MiB", ""), rows)


def folder(work: Path, net: Net, name: str) -> Path:
    """An empty folder for what ``name`` writes for ``net``."""
    path = work / "out" / net.name / "".join(c if c.isalnum() else "-" for c in name)
    if not path.is_dir():
        path.mkdir(parents=True)
    return path
