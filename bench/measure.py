"""Whole processes measured from outside: wall time, CPU time, peak memory; several commands in turn.

Times and memory are the operating system's own accounting of the finished child (``wait4``). Commands run in turn,
A B C A B C …, so that a ratio is taken between neighbours and a drift of the machine's speed cancels out. The peak
cannot read below that of the process that starts the command, so this module imports next to nothing.
"""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Run:
    """One finished process: seconds, seconds of user and system, MiB, exit code."""

    wall: float
    cpu: float
    peak: float
    code: int


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some figures."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Of at least one figure."""
        return cls(median(figures), min(figures), max(figures))

    def text(self, digits: int = 2) -> str:
        """``0.42 (0.40–0.47)``."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}–{self.greatest:.{digits}f})"


def floor() -> float:
    """MiB below which no peak can read."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def environment() -> dict[str, str]:
    """Ours, with compiled modules cached as an installer would have left them."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED")
    return {key: value for key, value in os.environ.items() if key not in dropped}


def run(command: Sequence[str], limit: float = 300) -> Run:
    """Run ``command`` to its end, or kill it after ``limit`` seconds; its output is thrown away."""
    start = time.perf_counter()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    alarm = threading.Timer(limit, child.kill)
    alarm.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    alarm.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode)


def in_turn(
    commands: Mapping[str, Sequence[str]],
    runs: int,
    *,
    before: Callable[[], None] = lambda: None,
    limit: float = 300,
    budget: Callable[[str], float] = lambda _: 15,
) -> dict[str, list[Run]]:
    """Run all commands in turn, ``runs`` times after one that is not counted.

    Args:
        commands: by name.
        runs: how many times each.
        before: called before every process, to remove what the last one wrote.
        limit: seconds after which a process is killed.
        budget: seconds for all runs of a command; when they are used up it is not run again. A first run counts if it
            alone takes as long, or fails.
    """
    found: dict[str, list[Run]] = {name: [] for name in commands}
    left = {name: budget(name) for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            if left[name] <= 0:
                continue
            before()
            result = run(command, limit)
            left[name] = 0 if result.code else left[name] - result.wall
            if turn or left[name] <= 0:
                found[name].append(result)
    return found


def ratio(a: Sequence[float], b: Sequence[float]) -> Spread:
    """Median of the ratios pair by pair, with a 95 % interval of that median (exact, by order statistics)."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=False))
    low, high = interval(len(ratios))
    return Spread(median(ratios), ratios[low], ratios[high])


def interval(count: int, level: float = 0.95) -> tuple[int, int]:
    """Indices of the sorted figures between which the median lies with at least this probability, if there are any."""
    total, below = 2.0**count, 0.0
    choose, index = 1.0, 0
    while below + choose <= (1 - level) / 2 * total and index < count // 2:
        below += choose
        choose = choose * (count - index) / (index + 1)
        index += 1
    low = max(0, index - 1)
    return low, count - 1 - low
