"""How fast what we emit runs: our file and its rivals, each in a process of its own, one pass of each in turn."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORKER = Path(__file__).with_name("worker.py")


class Runner:
    """A worker process."""

    def __init__(self, words: Sequence[str], shape: str) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        self._say(shape)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ready(self) -> bool:
        """Wait until the net is loaded and warm; False if it could not be."""
        return any(line == "ready" for line in iter(self._heard, ""))  # runtimes print words of their own

    def once(self) -> float:
        """Seconds of one pass."""
        self._say("go")
        return float(self._heard())


def latencies(contenders: Mapping[str, Sequence[str]], shape: str, passes: int = 15) -> dict[str, list[float]]:
    """CPU seconds of every pass of every contender that loads, one pass of each in turn.

    Args:
        contenders: by name the Python of an environment and the worker's arguments.
        shape: the input's, as in ``1x3x224x224``.
        passes: how many of each.
    """
    with ExitStack() as stack:
        runners = {}
        for name, (python, *arguments) in contenders.items():
            runner = stack.enter_context(Runner([python, str(WORKER), *arguments], shape))
            if runner.ready():
                runners[name] = runner
        found: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(passes):
            for name, runner in runners.items():
                found[name].append(runner.once())
        return found
