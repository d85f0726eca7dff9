"""Keeping Python's cycle collector away from work that makes many small objects and no cycles."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_off() -> Iterator[None]:
    """No collection of cycles inside the block, or inside the function that this decorates.

    The collector looks at every living object again and again while a net of many layers grows: half of the time of
    reading it, and more than twice the time for twice the layers.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
