"""Names of files that other libraries can open."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def openable(path: Path) -> Iterator[Path]:
    """The file's absolute path, or one through a link in a temporary folder where that is no UTF-8.

    POSIX lets names be any bytes; onnxruntime refuses what is no UTF-8, and OpenCV crashes.
    """
    path = path.absolute()
    if _is_utf8(path):
        yield path
        return
    with TemporaryDirectory(prefix="caffe-bn-convert-") as temporary:
        link = Path(temporary) / "link"
        if _is_utf8(Path(path.name)):
            link.symlink_to(path.parent, target_is_directory=True)  # what lies beside the file stays beside it
            yield link / path.name
        else:
            link = link.with_suffix(path.suffix if _is_utf8(Path(path.suffix)) else "")
            link.symlink_to(path)
            yield link


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
