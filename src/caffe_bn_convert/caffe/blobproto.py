"""One ``BlobProto`` on the wire, as a :class:`Blob`: its shape is read, its numbers are only located and counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.blob import Blob, Encoding, Span, shape_text
from caffe_bn_convert.caffe.wire import BYTES, FIXED32, FIXED64, VARINT, Wire, key
from caffe_bn_convert.errors import ResourceLimitError, UnreadableError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_AXES = 32  # Caffe's kMaxBlobAxes
_INT_MAX = (1 << 31) - 1
_MAX_SPANS = 1 << 20

_LEGACY = {key(number, VARINT): number - 1 for number in (1, 2, 3, 4)}
_DATA, _DATA_UNPACKED = key(5, BYTES), key(5, FIXED32)
_SHAPE = key(7, BYTES)
_DOUBLE, _DOUBLE_UNPACKED = key(8, BYTES), key(8, FIXED64)
_RAW_TYPE, _RAW = key(10, VARINT), key(12, BYTES)
_DIM, _DIM_PACKED = key(1, VARINT), key(1, BYTES)

# NVCaffe's enum Type: DOUBLE, FLOAT, FLOAT16, INT, UINT
_RAW_TYPES = {0: Encoding.FLOAT64, 1: Encoding.FLOAT32, 2: Encoding.FLOAT16}


@dataclass(slots=True)
class _Fields:
    """What was found of a BlobProto: dims, and (offset, end, stride) of runs of numbers."""

    legacy: list[int] = field(default_factory=list)
    dims: list[int] = field(default_factory=list)
    floats: list[tuple[int, int, int]] = field(default_factory=list)
    doubles: list[tuple[int, int, int]] = field(default_factory=list)
    raw: tuple[int, int, int] | None = None
    raw_type: int | None = None


def read_blob(wire: Wire, path: Path, start: int, end: int) -> Blob:
    """The ``BlobProto`` in bytes ``start`` to ``end``.

    As Caffe has it: any of num, channels, height and width goes before a shape, ``double_data`` before ``data``; and as
    NVCaffe has it, ``raw_data`` before both.

    Raises:
        UnreadableError: it is no BlobProto, or does not hold as many numbers as its shape says.
        UnsupportedError: its numbers are integers.
        ResourceLimitError: its numbers are in absurdly many pieces.
    """
    found = _walk(wire, start, end)
    encoding, runs = _numbers(found)
    shape = tuple(_checked(dim) for dim in found.legacy or found.dims)
    _check(shape, encoding, runs)
    spans = tuple([Span(path, first, last - first, stride) for first, last, stride in runs if last > first])
    return Blob(shape, bool(found.legacy), encoding, spans)


def _walk(wire: Wire, start: int, end: int) -> _Fields:
    found = _Fields()
    for tag, first, last in wire.fields(start, end):
        if tag == _DATA:
            found.floats.append((first, last, 0))
        elif tag == _SHAPE:
            _dims(wire, first, last, found.dims)
        elif tag in _LEGACY:
            found.legacy = found.legacy or [0, 0, 0, 0]
            found.legacy[_LEGACY[tag]] = _signed(first, 32)
        elif tag == _DOUBLE:
            found.doubles.append((first, last, 0))
        elif tag == _DATA_UNPACKED:
            found.floats.append((first, last, 5 if last - first > 4 else 0))
        elif tag == _DOUBLE_UNPACKED:
            found.doubles.append((first, last, 9 if last - first > 8 else 0))
        elif tag == _RAW_TYPE:
            found.raw_type = first
        elif tag == _RAW:
            found.raw = (first, last, 0)
        if len(found.floats) + len(found.doubles) > _MAX_SPANS:
            raise ResourceLimitError(f"the numbers of the blob at byte {start} are in more than {_MAX_SPANS} pieces")
    return found


def _dims(wire: Wire, start: int, end: int, dims: list[int]) -> None:
    for tag, first, last in wire.fields(start, end):
        if tag == _DIM_PACKED:
            dims.extend(_signed(value, 64) for value in wire.varints(first, last, _MAX_AXES))
        elif tag == _DIM:
            dims.append(_signed(first, 64))
        if len(dims) > _MAX_AXES:
            raise UnreadableError(f"the shape at byte {start} has more than {_MAX_AXES} dims")


def _signed(value: int, bits: int) -> int:
    """The lowest ``bits`` of a varint as the signed number that they are, as protobuf takes it."""
    low = value & (1 << bits) - 1
    return low - (1 << bits) if low >> bits - 1 else low


def _checked(dim: int) -> int:
    if not 0 <= dim <= _INT_MAX:
        raise UnreadableError(f"a dim of its shape is {dim}", hint="Caffe's dims are from 0 to 2³¹-1.")
    return dim


def _numbers(found: _Fields) -> tuple[Encoding, list[tuple[int, int, int]]]:
    if found.raw is not None and found.raw_type is not None:
        if found.raw_type not in _RAW_TYPES:
            raise UnsupportedError(
                f"its numbers are quantised: integers, raw_data_type {found.raw_type}",
                hint="Convert the net with the float weights that it was quantised from.",
            )
        return _RAW_TYPES[found.raw_type], [found.raw]
    if any(last > first for first, last, _ in found.doubles):
        return Encoding.FLOAT64, found.doubles
    return Encoding.FLOAT32, found.floats


def _check(shape: tuple[int, ...], encoding: Encoding, runs: list[tuple[int, int, int]]) -> None:
    size = encoding.size
    held = 0
    for first, last, stride in runs:
        if stride:
            held += (last - first - size) // stride + 1
        elif (last - first) % size:
            told = f"{last - first} bytes at byte {first} are no whole number of {size}-byte numbers"
            raise UnreadableError(told)
        else:
            held += (last - first) // size
    if held != math.prod(shape):
        told = f"its shape {shape_text(shape)} is {math.prod(shape)} numbers, but the file holds {held}"
        raise UnreadableError(told, hint="Caffe refuses that, too: the file is damaged, or of a fork's own format.")
    if held > _INT_MAX:
        raise ResourceLimitError(f"it holds {held} numbers; Caffe's blobs hold less than 2³¹")
