"""Where the numbers of an initializer go: behind its header, into a data file, or where they are in the caffemodel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.export.wire import RAW_DATA, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caffe_bn_convert.export.emitter import Initializer

INLINE = 1024  # bytes; smaller constants stay in the model file, as shape inference needs some of them


@dataclass(frozen=True, slots=True)
class Placed:
    """An initializer ready to be written: its TensorProto without the numbers, and whether they follow inline."""

    initializer: Initializer
    header: bytes
    inline: bool

    @property
    def length(self) -> int:
        """Bytes of the whole TensorProto."""
        return len(self.header) + (self.initializer.nbytes if self.inline else 0)


def in_file_order(initializers: Iterable[Initializer]) -> list[Initializer]:
    """Computed constants, then weights as they lie in their files; files count by first use, for names may change."""
    files: dict[Path, int] = {}

    def place(initializer: Initializer) -> tuple[int, int]:
        data = initializer.data
        if not isinstance(data, Blob) or not data.spans:
            return -1, 0
        return files.setdefault(data.spans[0].file, len(files)), data.spans[0].offset

    return sorted(initializers, key=place)


def _header(initializer: Initializer) -> onnx.TensorProto:
    return onnx.TensorProto(name=initializer.name, dims=initializer.shape, data_type=initializer.elem_type)


def place_inline(initializer: Initializer) -> Placed:
    """The numbers follow their header in the model file."""
    header = _header(initializer).SerializeToString(deterministic=True)
    return Placed(initializer, header + field(RAW_DATA, initializer.nbytes), inline=True)


def _outside(initializer: Initializer, location: str, offset: int) -> Placed:
    try:
        location.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"an ONNX file can point to no {location!r}, which is no UTF-8", hint="use --weights embed, or another name"
        ) from None
    tensor = _header(initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(initializer.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return Placed(initializer, tensor.SerializeToString(deterministic=True), inline=False)


def place_external(initializer: Initializer, location: str, offsets: Mapping[str, int]) -> Placed:
    """The numbers lie in the data file, if that has them."""
    if initializer.name not in offsets:
        return place_inline(initializer)
    return _outside(initializer, location, offsets[initializer.name])


def place_in_source(initializer: Initializer, folder: Path) -> Placed:
    """The numbers stay in the caffemodel, if they need no change; ``folder`` is that of the model file.

    Raises:
        UsageError: an ONNX file there cannot point to the caffemodel.
    """
    data = initializer.data
    if not isinstance(data, Blob) or initializer.half or not data.passes_through or initializer.nbytes < INLINE:
        return place_inline(initializer)
    span = data.spans[0]
    return _outside(initializer, _location(Path(span.file), folder), span.offset)


def _location(source: Path, folder: Path) -> str:
    """``source`` as an ONNX location seen from ``folder``; what runtimes and the checker accept, and nothing else."""
    refused = "--weights in-place is not possible: "
    hint = "use --weights external, or put the ONNX file beside or above the caffemodel"
    if source.is_symlink():
        raise UsageError(f"{refused}{source} is a symbolic link, which ONNX's checker refuses", hint=hint)
    if source.stat().st_nlink > 1:
        raise UsageError(f"{refused}{source} has several hard links, which ONNX's checker refuses", hint=hint)
    try:
        return source.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise UsageError(
            f"{refused}an ONNX file can only point into its own folder or below, and {source} is neither", hint=hint
        ) from None
