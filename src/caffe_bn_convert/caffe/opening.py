"""Opening files of weights, once for many blobs."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, BinaryIO

from caffe_bn_convert.errors import UnreadableError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

_kept: ContextVar[dict[Path, BinaryIO] | None] = ContextVar("kept", default=None)


def open_raw(path: Path) -> BinaryIO:
    """``path`` opened for reading without a buffer.

    Raises:
        UnreadableError: it cannot be opened.
    """
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror}", where=Where(file=str(path))) from error


@contextmanager
def kept_open() -> Iterator[None]:
    """What is :func:`opened` inside the block, or inside the function that this decorates, is closed at its end only.

    A net of 10,000 layers reads some twenty thousand small blobs, and opening takes ten times as long as reading one.
    """
    files: dict[Path, BinaryIO] = {}
    with ExitStack() as stack:
        stack.callback(_kept.reset, _kept.set(files))
        stack.callback(lambda: [file.close() for file in files.values()])
        yield


def opened(path: Path) -> AbstractContextManager[BinaryIO]:
    """``path``, open for reading for as long as the block lasts at least; its position is anywhere.

    Raises:
        UnreadableError: it cannot be opened.
    """
    files = _kept.get()
    if files is None:
        return open_raw(path)
    if path not in files:
        files[path] = open_raw(path)
    return nullcontext(files[path])
