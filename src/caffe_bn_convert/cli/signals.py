"""Ctrl-C, and being asked to end: KeyboardInterrupt, but never in the middle of an import."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

LATER = 0.02
"""Seconds until an interrupt that came during an import is tried again."""


def install() -> None:
    """Let SIGINT and SIGTERM interrupt the command; a SIGINT that the parent had ignored stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, where there is an import on the stack a little later.

    The modules in C that onnxruntime and NumPy load turn the exception into an ImportError, or crash.
    """
    if not (_imports(frame) and hasattr(signal, "setitimer")):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, LATER)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
