"""Writing the file: protobuf's wire format by hand, so that weights stream from file to file.

A ``ModelProto`` is written as head · graph (nodes, then one initializer after the other) · tail. Protobuf lets fields
stand in any order and lets a message come in pieces, so the result is an ordinary ONNX file. Numbers that lie in the
caffemodel as little-endian float32 are copied with pread and write through one small buffer and never decoded.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert.caffe.blob import Blob, Span
from caffe_bn_convert.errors import CannotWriteError, UsageError
from caffe_bn_convert.export.emitter import as_half
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from caffe_bn_convert.export.emitter import Initializer
    from caffe_bn_convert.export.model import Model

CHUNK = 1 << 20
ALIGNMENT = 64
INLINE = 1024  # bytes; smaller constants stay in the model file, as shape inference needs some of them
LIMIT = (1 << 31) - 1  # protobuf reads no message beyond this

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9  # field numbers in ModelProto, GraphProto and TensorProto

MODES = ("embed", "external", "in-place")


def varint(value: int) -> bytes:
    """Protobuf's variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, length: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return varint(number << 3 | 2) + varint(length)


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


@dataclass(frozen=True, slots=True)
class Pending:
    """Files that are written but not in place yet.

    Attributes:
        model: the temporary model file; it can be loaded from where it is.
        target: where it will go.
        data: the data file beside it, already under its final name; None if there is none.
    """

    model: Path
    target: Path
    data: Path | None = None

    def commit(self) -> None:
        """Put the model in place by one rename, then remove the data file of the model that it replaces."""
        old = _data_files(self.target)
        try:
            self.model.replace(self.target)
        except OSError as error:
            raise CannotWriteError(f"cannot put {self.target} in place: {error.strerror}") from error
        for stale in old:
            if stale != self.data:
                with suppress(OSError):
                    stale.unlink()

    def keep_as(self, path: Path) -> None:
        """Put the model somewhere else, for people who want to look at a failure."""
        self.model.replace(path)


@contextmanager
def written(
    model: Model,
    target: Path,
    *,
    weights: str = "embed",
    metadata: Callable[[], Mapping[str, str]] = dict,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Pending]:
    """Write the model under a temporary name beside ``target``; whatever is not committed is removed at the end.

    Args:
        model: the model.
        target: where it is to go.
        weights: "embed" one file; "external" the numbers in ``<target>.<digest>.data``; "in-place" the numbers stay in
            the caffemodel.
        metadata: called when the numbers are written, so that digests can be computed meanwhile.
        progress: called with the number of bytes just written.

    Raises:
        CannotWriteError: the folder or the disk refuses.
        UsageError: "in-place" with a caffemodel that an ONNX file here cannot point to.
    """
    if weights not in MODES:
        raise UsageError(f'weights="{weights}" is not one of {", ".join(MODES)}')
    with _cannot_write(target):
        if target.is_dir():
            raise CannotWriteError(f"{target} is a folder", hint="give -o a file name, such as out.onnx")
        if target.exists() and not target.is_file():
            raise CannotWriteError(f"{target} is no file but a device or pipe", hint="give -o the name of a file")
        temporary = _fresh(target)
    data: Path | None = None
    existed = True
    try:
        with _cannot_write(target):
            if weights == "external":
                data, offsets, existed = _write_data(model, target, progress)
                placed = [_place_external(i, data.name, offsets) for i in _in_file_order(model.initializers)]
            elif weights == "in-place":
                placed = [_place_in_source(i, target.parent) for i in _in_file_order(model.initializers)]
            else:
                placed = [_place_inline(i) for i in _in_file_order(model.initializers)]
            _write_model(model, temporary, placed, metadata, progress)
        yield Pending(temporary, target, data)
    finally:
        committed = not temporary.exists()
        temporary.unlink(missing_ok=True)
        if data is not None and not existed and not committed:
            data.unlink(missing_ok=True)


@contextmanager
def _cannot_write(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWriteError(
            f"cannot write {target}: {error.strerror or error}", hint="nothing was changed there"
        ) from error


def _fresh(target: Path) -> Path:
    """A new, empty file beside ``target``, with the permissions that the user's umask gives."""
    for count in range(1000):
        path = target.parent / f".{target.name}.{os.getpid()}.{count}.tmp"
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666))
            return path
    raise CannotWriteError(f"too many temporary files beside {target}", hint="remove .*.tmp there")


def fits_in_one_file(model: Model) -> bool:
    """Whether the model with its numbers stays below protobuf's 2 GiB."""
    total = model.graph.ByteSize() + sum(i.nbytes + len(i.name) + 64 for i in model.initializers)
    return total + (1 << 20) < LIMIT


def _in_file_order(initializers: Iterable[Initializer]) -> list[Initializer]:
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


def _place_inline(initializer: Initializer) -> Placed:
    header = _header(initializer).SerializeToString(deterministic=True)
    return Placed(initializer, header + field(RAW_DATA, initializer.nbytes), inline=True)


def _outside(initializer: Initializer, location: str, offset: int) -> Placed:
    tensor = _header(initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(initializer.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return Placed(initializer, tensor.SerializeToString(deterministic=True), inline=False)


def _place_external(initializer: Initializer, location: str, offsets: Mapping[str, int]) -> Placed:
    if initializer.name not in offsets:
        return _place_inline(initializer)
    return _outside(initializer, location, offsets[initializer.name])


def _place_in_source(initializer: Initializer, folder: Path) -> Placed:
    data = initializer.data
    if not isinstance(data, Blob) or initializer.half or not data.passes_through or initializer.nbytes < INLINE:
        return _place_inline(initializer)
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


@stage("write")
def _write_model(
    model: Model,
    path: Path,
    placed: Sequence[Placed],
    metadata: Callable[[], Mapping[str, str]],
    progress: Callable[[int], None],
) -> None:
    graph = model.graph.SerializeToString(deterministic=True)
    length = len(graph) + sum(len(field(INITIALIZER, p.length)) + p.length for p in placed)
    with path.open("wb", buffering=0) as raw:
        out = _Buffered(raw, progress)
        out.write(model.shell().SerializeToString(deterministic=True) + field(GRAPH, length) + graph)
        for p in placed:
            out.write(field(INITIALIZER, p.length) + p.header)
            if p.inline:
                _copy(p.initializer, out)
        tail = onnx.ModelProto()
        for key, value in sorted(metadata().items()):
            tail.metadata_props.add(key=key, value=value)
        out.write(tail.SerializeToString(deterministic=True))
        out.flush()
        os.fsync(raw.fileno())


@stage("write")
def _write_data(model: Model, target: Path, progress: Callable[[int], None]) -> tuple[Path, dict[str, int], bool]:
    """Write the data file; returns it, where every initializer starts, and whether the same file was there before."""
    temporary = _fresh(target.with_name(target.name + ".data"))
    offsets: dict[str, int] = {}
    from hashlib import sha256

    digest = sha256()
    try:
        with temporary.open("wb", buffering=0) as raw:
            out = _Buffered(raw, progress, digest)
            for initializer in _in_file_order(model.initializers):
                if initializer.nbytes < INLINE:
                    continue
                out.write(b"\0" * (-out.position % ALIGNMENT))
                offsets[initializer.name] = out.position
                _copy(initializer, out)
            out.flush()
            os.fsync(raw.fileno())
        final = target.with_name(f"{target.name}.{digest.hexdigest()[:16]}.data")
        existed = final.exists()
        temporary.unlink() if existed else temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return final, offsets, existed


def _data_files(target: Path) -> list[Path]:
    """Data files that belong to the model at ``target`` by their name."""
    prefix = target.name + "."
    digest = 16
    return [
        path
        for path in target.parent.glob("*.data")
        if path.name.startswith(prefix)
        and len(path.name) == len(prefix) + digest + len(".data")
        and set(path.name[len(prefix) : -len(".data")]) <= set("0123456789abcdef")
    ]


class _Buffered:
    """Collects small writes; hands large ones on."""

    def __init__(self, raw: Any, progress: Callable[[int], None], digest: Any = None) -> None:
        self._raw, self._progress, self._digest = raw, progress, digest
        self._small = bytearray()
        self.position = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``."""
        self.position += len(data)
        if len(data) < CHUNK // 4:
            self._small += data
            if len(self._small) >= CHUNK:
                self.flush()
            return
        self.flush()
        self._out(data)

    def flush(self) -> None:
        """Write out what was collected."""
        if self._small:
            self._out(bytes(self._small))
            self._small.clear()

    def _out(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        if self._digest is not None:
            self._digest.update(view)
        while view:
            done = self._raw.write(view)
            self._progress(done)
            view = view[done:]


def _copy(initializer: Initializer, out: _Buffered) -> None:
    data = initializer.data
    if isinstance(data, Blob):
        if initializer.half:
            for chunk in data.chunks():
                out.write(as_half(chunk, initializer.name).astype("<f2", copy=False).tobytes())
        elif data.passes_through:
            _copy_span(data.spans[0], out)
        else:
            for chunk in data.chunks():
                out.write(np.ascontiguousarray(chunk, "<f4").tobytes())
        return
    little = np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"), copy=False)
    out.write(little.tobytes())


def _copy_span(span: Span, out: _Buffered) -> None:
    with Path(span.file).open("rb", buffering=0) as source:
        offset, end = span.offset, span.offset + span.length
        while offset < end:
            piece = os.pread(source.fileno(), min(CHUNK, end - offset), offset)
            if not piece:
                raise CannotWriteError(f"{span.file} became shorter while it was read", hint="run the conversion again")
            out.write(piece)
            offset += len(piece)
