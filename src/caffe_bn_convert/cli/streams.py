"""The command's streams, which may be closed, full, or pipes that nobody reads any more."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from caffe_bn_convert.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

DONE = 0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def open_all() -> None:
    """Let no file that is opened later become standard output or error, because the parent has closed these."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


@contextmanager
def written() -> Iterator[None]:
    """A block that prints: a reader who has seen enough ends it, a disk that is full is an error.

    Raises:
        click.exceptions.Exit: nobody reads any more, as behind ``| head``.
        CannotWriteError: standard output cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        _to_nowhere()
        raise click.exceptions.Exit(DONE) from None
    except OSError as error:
        if error.filename is not None or error.errno not in FULL:
            raise
        _to_nowhere()
        raise CannotWriteError(f"standard output cannot be written: {error.strerror}") from error


def _to_nowhere() -> None:
    """What is still in buffers would fail once more at the end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
