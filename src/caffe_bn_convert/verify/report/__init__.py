"""Reports: one model, several ways to write it down, chosen by the file's ending."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.placement import put

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from caffe_bn_convert.verify.report.model import Report

FORMATS = {".json": "json", ".xml": "junit", ".html": "html", ".md": "markdown"}
"""Ending of the file to the module of this package with ``render(report) -> str``."""


def write(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the report in the format that the file's ending asks for.

    Raises:
        UsageError: an unknown ending.
        CannotWriteError: the folder or the disk refuses.
    """
    path = Path(path)
    put(path, writer(path)(report))


def writer(path: str | os.PathLike[str]) -> Callable[[Report], str]:
    """The function that renders a report for this file; raises UsageError for an unknown ending."""
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f'a report "{path}" of what kind?', hint=f"let it end in {', '.join(FORMATS)}")
    render: Callable[[Report], str] = import_module(f"{__name__}.{FORMATS[ending]}").render
    return render
