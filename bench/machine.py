"""The machine in words, and tables."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import floor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD = """# Results

Written by `make bench`; do not edit. Figures are medians with (least–greatest); every process was measured from outside,
from its start to its exit, in turn with those that it is compared with. Ratios are medians of the ratios of neighbours
with a 95 % interval of that median. Page cache warm; compiled modules cached, as installers leave them."""


def section() -> str:
    """Head of the report."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{HEAD}\n\nMachine: {os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, {platform.system()}"
        f" {platform.machine()}, Python {platform.python_version()}. Load when it began: {load}."
        f" No peak reads below {floor():.0f} MiB."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
