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
from bench.targets import Part, Target

if TYPE_CHECKING:
    from pathlib import Path

    from bench.nets import Net

COUNTS = (5000, 10000, 20000)
RUNS = 5
STAGES = ("parse", "build", "fold", "emit", "check", "total")
LINE = re.compile(rb"^  (\S.*\S) +([0-9.]+) ms$", re.MULTILINE)


def stages(net: Net) -> dict[str, float]:
    """Seconds by stage, as ``--timings`` prints them."""
    words = command(net, net.caffemodel.parent, "--no-verify", "--timings")
    output = subprocess.run(words, check=True, capture_output=True, env=environment()).stderr
    return {name.decode().strip(): float(ms) / 1000 for name, ms in LINE.findall(output)}


def section(work: Path) -> Part:
    """The table. Nets of all sizes run in turn, and ratios are medians of those of neighbours."""
    nets = [made(work, f"deep{count}", deep(count)) for count in COUNTS]
    print("depth", file=sys.stderr)
    runs = [[stages(net) for net in nets] for _ in range(RUNS)]
    names = list(runs[0][0])
    seconds = {name: [median(run[i][name] for run in runs) for i in range(len(COUNTS))] for name in names}
    growth = {
        name: [median(run[i + 1][name] / run[i][name] for run in runs) for i in range(len(COUNTS) - 1)]
        for name in names
    }
    head = (
        "stage",
        *(f"{count:,} layers, s" for count in COUNTS),
        *(f"{b:,} / {a:,}" for a, b in pairwise(COUNTS)),
    )
    rows = [(name, *(f"{s:.3f}" for s in seconds[name]), *(f"{g:.2f}" for g in growth[name])) for name in names]
    targets = [Target("10,000 layers", "total", "4 s", 4, seconds["total"][COUNTS.index(10000)])]
    targets += [
        Target("10,000 layers", f"{name}, of twice the layers", "2.2 times", 2.2, growth[name][-1], "times")
        for name in STAGES
    ]
    text = f"Layers are Convolution, BatchNorm, Scale and ReLU in turn. Medians of {RUNS} runs."
    return Part(f"## Layers\n\n{text}\n\n{table(head, rows)}", targets)
