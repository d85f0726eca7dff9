"""Files that appear whole, or not at all."""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import CannotWriteError, Where

if TYPE_CHECKING:
    from pathlib import Path


def followed(path: Path) -> Path:
    """Where a symbolic link leads, so that the file there is replaced and not the link; any other path as it is.

    Raises:
        CannotWriteError: links that lead in a circle.
    """
    if not path.is_symlink():
        return path
    try:
        path = path.resolve()
    except (OSError, RuntimeError):  # the latter below Python 3.13
        raise CannotWriteError(f"{path} is a symbolic link that leads in a circle") from None
    if path.is_symlink():
        raise CannotWriteError(f"{path} is a symbolic link that leads in a circle")
    return path


def fresh(target: Path) -> Path:
    """A name beside ``target`` that nothing has; the file is made where it is written, so that it can be removed there."""
    own = f".{target.name}.{os.getpid()}.{threading.get_ident()}"
    names = (target.with_name(f"{own}.{count}.tmp") for count in itertools.count())
    return next(path for path in names if not path.exists())


def keep_mode(new: Path, old: Path) -> None:
    """Give the new file the permissions of the one that it will replace, if there is one."""
    with suppress(OSError):
        new.chmod(old.stat().st_mode & 0o777)


def put(path: Path, content: str | bytes) -> None:
    """Write a text as UTF-8, bytes that were none as they were; what stood there before survives a failure.

    A symbolic link is followed. Devices and pipes, such as ``/dev/stdout``, are written to as they are.

    Raises:
        CannotWriteError: the folder or the disk refuses.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    try:
        path = followed(path)
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
        else:
            _replace(path, data)
    except OSError as error:
        raise CannotWriteError(f"cannot be written: {error.strerror or error}", where=Where(file=str(path))) from error


def _replace(path: Path, data: bytes) -> None:
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    pending = fresh(path)
    try:
        with pending.open("xb") as stream:
            stream.write(data)
        keep_mode(pending, path)
        pending.replace(path)
    except BaseException:
        with suppress(OSError):
            pending.unlink(missing_ok=True)
        raise
