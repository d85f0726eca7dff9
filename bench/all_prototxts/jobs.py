"""Nets in processes of their own, several at a time."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from bench.all_prototxts.proof import prove

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

ROOM = 10 << 30
"""Bytes that must be free for another net to begin beside one that is under way."""


@dataclass(frozen=True)
class Result:
    """How one net fared.

    Attributes:
        name: the prototxt.
        verdict: "proven", "converted" (but not proven), "refused", "skipped", "out of time" or "internal error"; without
            the proof "runs".
        why: the reason, where it is not proven.
        seconds: how long it took.
    """

    name: str
    verdict: str
    why: str = ""
    seconds: float = 0.0


def survey(paths: Sequence[Path], jobs: int, seconds: float, *, runs_only: bool) -> Iterator[Result]:
    """Results as they come; at most ``jobs`` at a time, and one where memory is short."""
    waiting, running = list(paths), list[_Run]()
    while waiting or running:
        while waiting and len(running) < jobs and (not running or _free() > ROOM):
            running.append(_Run(waiting.pop(0), seconds, runs_only=runs_only))
        wait([run.here for run in running], max(0, min(run.end for run in running) - time.monotonic()))
        for run in [run for run in running if run.is_over()]:
            running.remove(run)
            yield run.result()


def _free() -> int:
    """Bytes that a new process can have: what the page cache holds, too, which ``sysconf`` leaves out."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


class _Run:
    """A net in a process of its own, that is ended when its time is over."""

    def __init__(self, path: Path, seconds: float, *, runs_only: bool) -> None:
        self.path, self.seconds, self.start = path, seconds, time.monotonic()
        self.end = self.start + seconds
        context = multiprocessing.get_context("fork")
        self.here, there = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(there, path, runs_only))
        self.process.start()
        there.close()

    def is_over(self) -> bool:
        return self.here.poll() or time.monotonic() >= self.end

    def result(self) -> Result:
        verdict, why = "out of time", f"more than {self.seconds:g} s"
        if self.here.poll():
            try:
                verdict, why = self.here.recv()
            except EOFError:
                verdict, why = "internal error", "the process died"
        self.process.kill()
        self.process.join()
        self.here.close()
        return Result(self.path.name, verdict, why, round(time.monotonic() - self.start, 1))


def _work(there: Connection, path: Path, runs_only: bool) -> None:  # noqa: FBT001  (arguments of a process)
    try:
        there.send(prove(path, runs_only=runs_only))
    except BaseException as error:
        there.send(("internal error", repr(error)[:300]))
