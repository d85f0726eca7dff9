"""wip"""

from __future__ import annotations

from pathlib import Path


def read_head(path: Path) -> bytes:
    """wip"""
    with path.open("rb") as f:
        return f.read(65536)


def check_weights(path: Path, head: bytes) -> None:
    """wip"""
