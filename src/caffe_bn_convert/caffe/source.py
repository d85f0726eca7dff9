"""What a file of weights holds: layers with blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnreadableError, Where

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.caffe.blob import Blob


@dataclass(frozen=True, slots=True)
class SourceLayer:
    """A layer of a file of weights.

    Attributes:
        name: its name.
        type: its type as a V2 net calls it; the type's own word for V0 nets; "" where the file does not tell (HDF5).
        blobs: its blobs by index. None stands for one that an HDF5 file leaves out because another layer owns it.
        param_names: the ``name`` of each ``param`` ("" where it has none); blobs of one name are shared.
    """

    name: str
    type: str
    blobs: tuple[Blob | None, ...]
    param_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caffemodel:
    """A file of weights.

    Attributes:
        path: the file.
        layers: in the file's order; names need not be unique.
        size: of the file in bytes, when it was read.
        mtime_ns: when the file was last modified, at that time.
    """

    path: Path
    layers: tuple[SourceLayer, ...]
    size: int
    mtime_ns: int

    def check_unchanged(self) -> None:
        """Make sure that the blobs are still where they were.

        Raises:
            UnreadableError: the file has been changed since it was read.
        """
        try:
            now = self.path.stat()
        except OSError as error:
            told = f"is no longer there: {error.strerror}"
            raise UnreadableError(told, where=Where(file=str(self.path))) from error
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise UnreadableError(
                "has changed since it was read",
                hint="Something is still writing to it. Convert again when that is done.",
                where=Where(file=str(self.path)),
            )
