"""Time in the number of layers, stage by stage."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from bench.conversions import command
from bench.machine import table
from bench.measure import environment
from bench.nets import deep, made

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = (5000, 10000, 20000)
RUNS = 5
LINE = re.compile(rb"^  (\S.*\S) +([0-9.]+) ms$", re.MULTILINE)


def stages(work: Path, count: int) -> dict[str, float]:
    """Seconds by stage for ``count`` layers, as ``--timings`` prints them; medians of several runs."""
    net = made(work, f"deep{count}", deep(count))
    words = command(net, net.caffemodel.parent, "--no-verify", "--timings")
    runs = []
    for _ in range(RUNS):
        output = subprocess.run(words, check=True, capture_output=True, env=environment()).stderr
        runs.append({name.decode().strip(): float(ms) / 1000 for name, ms in LINE.findall(output)})
    return {name: median(run[name] for run in runs) for name in runs[0]}


def section(work: Path) -> str:
    """The table."""
    print("depth", file=sys.stderr)
    found = [stages(work, count) for count in COUNTS]
    head = (
        "stage",
        *(f"{count:,} layers" for count in COUNTS),
        *(f"{b:,} / {a:,}" for a, b in pairwise(COUNTS)),
    )
    rows = [
        (name, *(f"{each[name]:.3f} s" for each in found),
         *(f"{b[name] / a[name]:.2f}" for a, b in pairwise(found)))
        for name in found[0]
    ]  # fmt: skip
    return f"## Layers\n\nMedians of {RUNS} runs.\n\n{table(head, rows)}"
