"""The outermost layer of protobuf's wire format: the fields of a message in a file, without the bytes they hold.

One small buffer slides over the file. A field's contents are never read here, a field that is larger than the buffer is
stepped over by arithmetic, and no length field is believed before it is compared with what encloses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from caffe_bn_convert.caffe.blob import read_exactly
from caffe_bn_convert.errors import UnreadableError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WINDOW = 1 << 14
_RUN_WINDOW = 1 << 20
_HEADER = 20  # a key and a length, ten bytes each at most
_PADDING = bytes(_HEADER + 1)
_MASK64 = (1 << 64) - 1
_MAX_KEY = (1 << 32) - 1
_DAMAGED = "The file is damaged, or its download or copy was cut short: get it again and compare its size."


def key(number: int, kind: int) -> int:
    """The key of a field on the wire."""
    return number << 3 | kind


class Wire:
    """The fields of the messages in ``file``, which is ``size`` bytes long."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._window = b""
        self._base = 0
        self._safe = -1  # the last position whose field header lies wholly in the window

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The fields of the message at bytes ``start`` to ``end``: (key, first, last).

        Of a varint, ``first`` is its value (unsigned, 64 bits). Of the others, ``first`` and ``last`` are where their
        contents begin and end. Consecutive fixed-size fields of one key are one run, from the first number to the
        end of the last; in it each number is preceded by the one-byte key.

        Raises:
            UnreadableError: this is not a message, or one that has been cut off.
        """
        position = start
        while position < end:
            if not self._base <= position <= self._safe:
                self._load(position)
            window, base = self._window, self._base
            index = position - base
            tag = window[index]
            index += 1
            if tag > 127:
                tag, index = self._varint(index - 1)
            kind = tag & 7
            value = 0
            if kind in (VARINT, BYTES):
                value = window[index]
                index += 1
                if value > 127:
                    value, index = self._varint(index - 1)
            after = base + index
            if tag < 8 or tag > _MAX_KEY:
                self._refuse(position, f"a field cannot have the number {tag >> 3}")
            if kind == VARINT:
                stop = after
            elif kind == BYTES:
                stop = after + value
            else:
                stop = self._fixed(position, after, end, tag)
            if stop > end:
                self._refuse(position, f"a field would end at byte {stop}, but what it belongs to ends at byte {end}")
            if kind == VARINT:
                yield tag, value, stop
            else:
                yield tag, after, stop
            position = stop

    def text(self, start: int, end: int) -> str:
        """The bytes from ``start`` to ``end`` as text; what is not UTF-8 becomes ``\\xNN``.

        Raises:
            UnreadableError: it is absurdly long.
        """
        if end - start > 1 << 16:
            self._refuse(start, f"a name cannot be {end - start} bytes long")
        if self._base <= start and end <= self._base + len(self._window) - len(_PADDING):
            data = self._window[start - self._base : end - self._base]
        else:
            data = bytes(read_exactly(self._file, start, end - start))
        return data.decode("utf-8", "backslashreplace")

    def varints(self, start: int, end: int, most: int) -> list[int]:
        """The packed varints from ``start`` to ``end``.

        Raises:
            UnreadableError: there are more than ``most``, or the last one is cut off.
        """
        values: list[int] = []
        position = start
        while position < end:
            if len(values) == most:
                self._refuse(start, f"there are more than {most} dims")
            if not self._base <= position <= self._safe:
                self._load(position)
            value, index = self._varint(position - self._base)
            position = self._base + index
            values.append(value)
        if position > end:
            self._refuse(start, "a number is cut off")
        return values

    def _varint(self, index: int) -> tuple[int, int]:
        window = self._window
        value = shift = 0
        for last in range(index, index + 10):
            byte = window[last]
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        else:
            self._refuse(self._base + index, "a number of more than ten bytes")
        return value & _MASK64, last + 1

    def _fixed(self, position: int, after: int, end: int, tag: int) -> int:
        kind = tag & 7
        if kind not in (FIXED32, FIXED64):
            self._refuse(position, f"a field has the wire type {kind}, which Caffe never writes")
        size = 4 if kind == FIXED32 else 8
        stop = after + size
        follows = stop < end and tag < 128 and after == position + 1
        if not follows:
            return stop
        return stop + self._run(stop, end, tag, size + 1) * (size + 1)

    def _run(self, position: int, end: int, tag: int, stride: int) -> int:
        """How many whole records of ``stride`` bytes that begin with ``tag`` lie from ``position`` on."""
        found = 0
        many = 16
        while (count := min(many, (end - position) // stride)) > 0:
            records = np.frombuffer(read_exactly(self._file, position, count * stride), np.uint8)[::stride]
            others = np.flatnonzero(records != tag)
            if others.size:
                return found + int(others[0])
            found += count
            position += count * stride
            many = min(2 * many, _RUN_WINDOW // stride)
        return found

    def _load(self, position: int) -> None:
        length = min(_WINDOW, self.size - position)
        self._window = bytes(read_exactly(self._file, position, length)) + _PADDING
        self._base = position
        whole = position + length == self.size
        self._safe = self.size if whole else position + length - _HEADER

    def _refuse(self, position: int, why: str) -> NoReturn:
        refuse(self._file.name, position, why)


def refuse(file: str, position: int, why: str) -> NoReturn:
    """Raise the error of a file that is no valid protobuf message at byte ``position``."""
    raise UnreadableError(f"damaged at byte {position}: {why}", hint=_DAMAGED, where=Where(file=str(file)))
