"""Naming files that are something else than what was asked for, before anything tries to parse them.

People give an LFS pointer, a GitHub page saved from the browser, the .solverstate beside the weights, or the two files
in the wrong order. A parser's word on those would be true and of no use.
"""

from __future__ import annotations

import difflib
import re
import stat
from itertools import islice
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.filekind import CAFFEMODEL, HDF5, HTML, LFS, PROTOTXT, TEXT, kind_of
from caffe_bn_convert.errors import UnreadableError, Where, WrongFileError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 1 << 16
_MANY_FILES = 10_000
_SWAP = "The .prototxt comes first, then the .caffemodel."
_RISTRETTO = re.compile(rb"type\s*:\s*[\"']\w*Ristretto[\"']")
_SOLVER = re.compile(rb"^\s*(base_lr|lr_policy|solver_mode|snapshot_prefix)\s*:", re.MULTILINE)
_LAYER = re.compile(rb"\b(layers?\s*:?\s*\{|input\s*:)")


def read_head(path: Path) -> bytes:
    """The first 64 KiB of the regular file at ``path``.

    Raises:
        WrongFileError: it is missing, empty, or no regular file.
        UnreadableError: it may not be read.
    """
    where = Where(file=str(path))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise WrongFileError("is a directory", hint=_in_directory(path), where=where)
        if not stat.S_ISREG(mode):
            raise WrongFileError("is a pipe or a device", hint="Save it to a file first.", where=where)
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WrongFileError("there is no such file", hint=_did_you_mean(path), where=where) from error
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read: {error}", where=where) from error
    if not head:
        raise WrongFileError("is empty", hint="Its download or copy has failed: get it again.", where=where)
    return head


def check_weights(path: Path, head: bytes | None = None) -> None:
    """Make sure that ``path``, which begins with ``head``, may be a file of weights.

    Raises:
        WrongFileError: it is known to be something else.
    """
    kind = kind_of(read_head(path) if head is None else head)
    if kind is None or kind in (CAFFEMODEL, HDF5):
        return
    hint = _SWAP if kind is PROTOTXT else kind.hint
    raise WrongFileError(f"is {kind.name}, not a .caffemodel", hint=hint, where=Where(file=str(path)))


def check_prototxt(path: Path, head: bytes | None = None) -> None:
    """Make sure that ``path``, which begins with ``head``, may be the text of a net.

    Raises:
        WrongFileError: it is known to be something else.
    """
    where = Where(file=str(path))
    head = read_head(path) if head is None else head
    kind = kind_of(head)
    if kind in (CAFFEMODEL, HDF5):
        raise WrongFileError(f"is {kind.name}, not a .prototxt", hint=_SWAP, where=where)
    if kind is not None and kind not in (PROTOTXT, TEXT):
        raise WrongFileError(f"is {kind.name}, not a .prototxt", hint=kind.hint, where=where)
    if b"\0" in head:
        raise WrongFileError("is a binary file, not a .prototxt", hint="Give the net's text file first.", where=where)
    if _RISTRETTO.search(head):
        raise WrongFileError(
            "is a net quantised by Ristretto, whose layers round to its own number formats",
            hint="Convert the net with the float weights that it was quantised from.",
            where=where,
        )
    if _SOLVER.search(head) and not _LAYER.search(head):
        hint = "Give the file that its 'net:' names, or better the deploy.prototxt beside it."
        raise WrongFileError("is a solver's definition, not a net", hint=hint, where=where)


def check_model(path: Path) -> None:
    """Make sure that ``path`` may be an ONNX file.

    Raises:
        WrongFileError: it is missing, empty, or known to be something else.
        UnreadableError: it may not be read.
    """
    kind = kind_of(read_head(path))
    if kind in (CAFFEMODEL, HDF5, PROTOTXT, LFS, HTML):
        last = "The ONNX file comes last, behind the .prototxt and the .caffemodel."
        hint = kind.hint if kind in (LFS, HTML) else last
        raise WrongFileError(f"is {kind.name}, not an ONNX file", hint=hint, where=Where(file=str(path)))


def _did_you_mean(path: Path) -> str | None:
    names = _names(path.parent)
    if not names:
        return None
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    close += [name for name in names if path.suffix and name.endswith(path.suffix) and name not in close]
    if not close:
        return None
    return "Did you mean " + " or ".join(str(path.parent / name) for name in close[:3]) + "?"


def _in_directory(path: Path) -> str:
    fitting = [name for name in _names(path) if name.endswith((".prototxt", ".caffemodel", ".caffemodel.h5"))]
    return f"It holds {', '.join(fitting[:5])}." if fitting else "Give a file."


def _names(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(directory.iterdir(), _MANY_FILES))
    except OSError:
        return []
