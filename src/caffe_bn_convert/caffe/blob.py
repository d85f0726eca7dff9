"""Blobs: the numbers of a layer, as places in a file that are read only when somebody wants them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caffe_bn_convert.caffe.opening import opened
from caffe_bn_convert.errors import InvalidNetError, UnreadableError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


class Encoding(Enum):
    """How a number is stored; little-endian. The value is NumPy's name for it."""

    FLOAT32 = "<f4"
    FLOAT64 = "<f8"
    FLOAT16 = "<f2"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The same as a NumPy type."""
        return np.dtype(self.value)

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return _SIZES[self]


_SIZES = {Encoding.FLOAT32: 4, Encoding.FLOAT64: 8, Encoding.FLOAT16: 2}


@dataclass(frozen=True, slots=True)
class Span:
    """A run of numbers in a file.

    Attributes:
        file: the file.
        offset: where the first number begins, in bytes.
        length: bytes from there to the end of the last number.
        stride: bytes from one number to the next; 0 when they lie side by side. Unpacked protobuf fields have a tag
            before each number.
    """

    file: Path
    offset: int
    length: int
    stride: int = 0

    def count(self, encoding: Encoding) -> int:
        """How many numbers of ``encoding`` this holds."""
        if not self.stride:
            return self.length // encoding.size
        return (self.length - encoding.size) // self.stride + 1


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A blob of a layer.

    Two blobs are equal when they are the same place of the same file, or the very same array, with the same shape.

    Attributes:
        shape: its dims. () is a single number.
        legacy: the file gave num, channels, height and width instead of a shape, so that ``shape`` has four dims and
            Caffe pads the layer's own shape on the left with ones before it compares.
        encoding: how the numbers are stored.
        spans: where they are, in order.
        array: the numbers themselves, read-only, for a blob that is in memory only; then ``spans`` is empty.
    """

    shape: tuple[int, ...]
    legacy: bool
    encoding: Encoding
    spans: tuple[Span, ...]
    array: NDArray[Any] | None = None

    @classmethod
    def of(cls, array: NDArray[Any]) -> Blob:
        """A blob in memory, with the shape of ``array``: a copy, as float64 if ``array`` is that, as float32 else."""
        double = array.dtype == np.float64
        own = np.array(array, dtype=np.float64 if double else np.float32, order="C")
        own.flags.writeable = False
        return cls(tuple(own.shape), False, Encoding.FLOAT64 if double else Encoding.FLOAT32, (), own)

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers as float32, whatever they are stored as."""
        return 4 * self.count

    @property
    def passes_through(self) -> bool:
        """Its bytes in the file are its numbers as little-endian float32: they can be copied as they are."""
        return len(self.spans) == 1 and self.encoding is Encoding.FLOAT32 and not self.spans[0].stride

    def with_shape(self, shape: Sequence[int]) -> Blob:
        """The same numbers under another shape.

        Raises:
            InvalidNetError: the shape holds another number of numbers.
        """
        if math.prod(shape) != self.count:
            told = f"a blob of {shape_text(self.shape)} numbers cannot take the shape {shape_text(shape)}"
            raise InvalidNetError(told)
        return replace(self, shape=tuple(shape), legacy=False)

    def read(self) -> Floats:
        """All numbers as float32, 1-D. Doubles are rounded to the nearest float32 as Caffe's ``static_cast`` does."""
        out = np.empty(self.count, np.float32)
        return self._fill(out)

    def read64(self) -> Doubles:
        """All numbers as float64, 1-D; exact."""
        out = np.empty(self.count, np.float64)
        return self._fill(out)

    def chunks(self, max_values: int = 262144) -> Iterator[Floats]:
        """The numbers as float32 in order, in 1-D arrays of at most ``max_values``; memory is bounded by that."""
        for part in self._parts(max_values):
            yield _cast(part, np.dtype(np.float32))

    def _fill(self, out: NDArray[Any]) -> NDArray[Any]:
        position = 0
        for part in self._parts(262144):
            out[position : position + part.size] = _cast(part, out.dtype)
            position += part.size
        if position != out.size:
            raise ValueError(f"a blob of {out.size} numbers has places for {position}")
        return out

    def _parts(self, max_values: int) -> Iterator[NDArray[Any]]:
        if self.array is not None:
            flat = self.array.reshape(-1)
            yield from (flat[i : i + max_values] for i in range(0, flat.size, max_values))
            return
        for path, spans in groupby(self.spans, attrgetter("file")):
            with opened(path) as file:
                for span in spans:
                    yield from _span_parts(file, span, self.encoding, max_values)

    def _key(self) -> tuple[object, ...]:
        return (self.shape, self.legacy, self.encoding, self.spans, None if self.array is None else id(self.array))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Blob) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


def read_exactly(file: BinaryIO, offset: int, length: int) -> bytearray:
    """``length`` bytes from ``offset`` on.

    Raises:
        UnreadableError: the file ends before that, or reading fails.
    """
    data = bytearray(length)
    view = memoryview(data)
    where = Where(file=str(file.name))
    try:
        file.seek(offset)
        done = 0
        while done < length:
            got = file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                told = f"ends at byte {offset + done}, while {length - done} more were expected"
                raise UnreadableError(told, hint="The file has become shorter while it was being read.", where=where)
            done += got
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", where=where) from error
    return data


def shape_text(shape: Sequence[int]) -> str:
    """A shape for messages, such as ``2×3×7×9``."""
    return "×".join(str(dim) for dim in shape) if shape else "()"


def _span_parts(file: BinaryIO, span: Span, encoding: Encoding, max_values: int) -> Iterator[NDArray[Any]]:
    size, total = encoding.size, span.count(encoding)
    stride = span.stride or size
    for first in range(0, total, max_values):
        count = min(max_values, total - first)
        data = read_exactly(file, span.offset + first * stride, (count - 1) * stride + size)
        if stride == size:
            yield np.frombuffer(data, encoding.dtype)
        else:
            yield np.ndarray((count,), encoding.dtype, buffer=data, strides=(stride,))


def _cast(part: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):  # overflow to infinity is what Caffe's cast does, too
        return part.astype(dtype, copy=False)
