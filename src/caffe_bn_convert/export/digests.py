"""Digests of the sources, for the metadata."""

from __future__ import annotations

import threading
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO
    from pathlib import Path

CHUNK = 1 << 18  # stays in a core's cache between reading and hashing


class Digests:
    """SHA-256 of files, computed by a second thread while the first copies."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._found: dict[str, str] = {}
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, args=(dict(files),), daemon=True)
        self._thread.start()

    def _run(self, files: dict[str, Path]) -> None:
        try:
            for key, path in files.items():
                with path.open("rb", buffering=0) as source:
                    self._found[key] = hexdigest(source)
        except OSError as error:
            self._error = error

    def result(self) -> dict[str, str]:
        """The digests by key, in hexadecimal; waits for them."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found


def hexdigest(source: FileIO) -> str:
    """SHA-256 of an open file, in hexadecimal."""
    digest = sha256()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while count := source.readinto(buffer):
        digest.update(view[:count])
    return digest.hexdigest()
