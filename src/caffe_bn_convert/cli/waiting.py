"""What a terminal shows while somebody waits for more than a second."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE, PERIOD = 1.0, 0.2
"""Seconds before the line first appears, and between its changes."""

WIDTH = 30


class Waiting:
    """A line on stderr: what is done, how much of it, for how long. It is gone when the block ends.

    Args:
        what: what is done at first.
        total: bytes that will be written; 0 if none.
        then: what is done when they are.
        shown: whether to show anything; nothing ever is where stderr is no terminal.
    """

    def __init__(self, what: str, *, total: int = 0, then: str = "", shown: bool = True) -> None:
        self._what, self._total, self._then = what, total, then
        self._done, self._length = 0, 0
        self._start = monotonic()
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True) if shown and _is_terminal() else None

    def __enter__(self) -> Waiting:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def written(self, count: int) -> None:
        """So many more bytes are written."""
        self._done += count

    def stop(self) -> None:
        """Take the line away, for words to come."""
        self._over.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()

    def line(self) -> str:
        """The line as it is now."""
        seconds = f"{monotonic() - self._start:.0f} s"
        if not self._done:
            return f"{self._what}  {seconds}"
        if self._done >= self._total:
            return f"{self._then}  {seconds}"
        full = self._done * WIDTH // self._total
        return f"writing [{'#' * full}{'.' * (WIDTH - full)}] {self._done * 100 // self._total} %  {seconds}"

    def _run(self) -> None:
        pause = PATIENCE
        while not self._over.wait(pause):
            pause = PERIOD
            self._draw(self.line())
        if self._length:
            self._draw("")
            self._draw("")

    def _draw(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write("\r" + text.ljust(self._length))
            sys.stderr.flush()
        self._length = len(text)


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, or closed
        return False
