"""Writing the file: protobuf's wire format by hand, so that weights stream from file to file.

A ``ModelProto`` is written as head · graph (nodes, then one initializer after the other) · tail. Protobuf lets fields
stand in any order and lets a message come in pieces, so the result is an ordinary ONNX file. Numbers that lie in the
caffemodel as little-endian float32 are read and written through one small buffer and never decoded.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from caffe_bn_convert.caffe.blob import Blob, Span
from caffe_bn_convert.caffe.opening import kept_open, opened
from caffe_bn_convert.errors import CannotWriteError
from caffe_bn_convert.export.emitter import as_half
from caffe_bn_convert.export.placing import INLINE, in_file_order
from caffe_bn_convert.export.wire import GRAPH, INITIALIZER, LIMIT, field
from caffe_bn_convert.placement import fresh
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from io import FileIO
    from pathlib import Path
    from typing import BinaryIO

    from caffe_bn_convert.export.emitter import Initializer
    from caffe_bn_convert.export.model import Model
    from caffe_bn_convert.export.placing import Placed

CHUNK = 1 << 18  # stays in a core's cache between reading and writing
ALIGNMENT = 64
DIGEST = 16  # characters of the digest in a data file's name


def fits_in_one_file(model: Model) -> bool:
    """Whether the model with its numbers stays below protobuf's 2 GiB."""
    total = model.graph.ByteSize() + sum(i.nbytes + len(i.name) + 64 for i in model.initializers)
    return total + (1 << 20) < LIMIT


@stage("write")
@kept_open()
def write_model(
    model: Model,
    path: Path,
    placed: Sequence[Placed],
    metadata: Callable[[], Mapping[str, str]],
    progress: Callable[[int], None],
) -> None:
    """Write the model file; ``metadata`` is called when the numbers are written."""
    graph = model.graph.SerializeToString(deterministic=True)
    length = len(graph) + sum(len(field(INITIALIZER, p.length)) + p.length for p in placed)
    with path.open("xb", buffering=0) as raw:
        out = _Buffered(raw, progress)
        head = model.shell().SerializeToString(deterministic=True) + field(GRAPH, length)
        _reserve(raw, len(head) + length)
        out.write(head + graph)
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
@kept_open()
def write_data(model: Model, target: Path, progress: Callable[[int], None]) -> tuple[Path, dict[str, int], bool]:
    """Write the data file; returns it, where every initializer starts, and whether the same file was there before."""
    temporary = fresh(target.with_name(target.name + ".data"))
    offsets: dict[str, int] = {}
    from hashlib import sha256

    digest = sha256()
    try:
        with temporary.open("xb", buffering=0) as raw:
            out = _Buffered(raw, progress, digest)
            outside = [i for i in in_file_order(model.initializers) if i.nbytes >= INLINE]
            _reserve(raw, _aligned_size(outside))
            for initializer in outside:
                out.write(b"\0" * (-out.position % ALIGNMENT))
                offsets[initializer.name] = out.position
                _copy(initializer, out)
            out.flush()
            os.fsync(raw.fileno())
        final = target.with_name(f"{target.name}.{digest.hexdigest()[:DIGEST]}.data")
        existed = final.exists() and final.stat().st_size == out.position
        temporary.unlink() if existed else temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return final, offsets, existed


def _aligned_size(initializers: Sequence[Initializer]) -> int:
    size = 0
    for initializer in initializers:
        size += -size % ALIGNMENT + initializer.nbytes
    return size


def _reserve(raw: FileIO, size: int) -> None:
    """Take the room on the disk at once: a full disk is told before anything is copied, and writing is faster.

    Half a gigabyte takes 0.34 s instead of 0.42 s on ext4. Not every system and file system can.
    """
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(raw.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise


class _Buffered:
    """Collects small writes; hands large ones on."""

    def __init__(self, raw: Any, progress: Callable[[int], None], digest: Any = None) -> None:
        self._raw, self._progress, self._digest = raw, progress, digest
        self._small = bytearray()
        self._chunk = memoryview(bytearray(CHUNK))
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

    def copy(self, source: BinaryIO, length: int) -> int:
        """Append the next ``length`` bytes of a file without a buffer; returns how many there were."""
        left = length
        while left and (count := source.readinto(self._chunk[: min(CHUNK, left)])):  # type: ignore[attr-defined]
            self.write(self._chunk[:count])
            left -= count
        return length - left

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
    with opened(span.file) as source:
        source.seek(span.offset)
        if out.copy(source, span.length) < span.length:
            raise CannotWriteError(f"{span.file} became shorter while it was read", hint="run the conversion again")
