"""The first fields of something that may be a protobuf message, from the first bytes of its file."""

from __future__ import annotations

_KINDS = {0: "varint", 1: "fixed64", 2: "bytes", 5: "fixed32"}
_MANY = 64
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b") + b"\x7f"


def looks_like_text(head: bytes) -> bool:
    """Whether there are no control characters in the first kilobyte; binary files always have some there."""
    start = head[:1024]
    return bool(start) and len(start.translate(None, _CONTROL)) == len(start)


class Head:
    """The first fields, as far as they can be told; the contents of the last one may be cut off."""

    def __init__(self, head: bytes) -> None:
        self._fields: list[tuple[int, str, bytes]] = []
        position = 0
        while position < len(head) and len(self._fields) < _MANY:
            tag, position = _varint(head, position)
            kind = _KINDS.get(tag & 7)
            if kind is None or tag < 8 or position < 0:
                break
            start, stop = _extent(head, position, kind)
            if stop < 0:
                break
            self._fields.append((tag >> 3, kind, head[start:stop]))
            position = stop

    def starts_with(self, number: int, kind: str) -> bool:
        """Whether the first field is ``number``, a "varint" or "bytes"."""
        return bool(self._fields) and self._fields[0][:2] == (number, kind)

    def has(self, number: int, kind: str) -> bool:
        """Whether there is such a field."""
        return any(field[:2] == (number, kind) for field in self._fields)

    def inner(self, number: int) -> Head | None:
        """The first field ``number`` as a message."""
        data = self._bytes(number)
        return None if data is None else Head(data)

    def text(self, number: int) -> str:
        """The first field ``number`` if it is text, else ""."""
        data = self._bytes(number)
        return data.decode("utf-8", "replace") if data and looks_like_text(data) else ""

    def _bytes(self, number: int) -> bytes | None:
        return next((data for own, kind, data in self._fields if (own, kind) == (number, "bytes")), None)


def _extent(head: bytes, position: int, kind: str) -> tuple[int, int]:
    """Where the contents of a field begin and end; the end is negative when even its beginning is cut off."""
    if kind == "varint":
        return position, _varint(head, position)[1]
    if kind == "bytes":
        length, start = _varint(head, position)
        return start, start + length if start >= 0 else -1
    return position, position + (8 if kind == "fixed64" else 4)


def _varint(head: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(position, min(position + 10, len(head))):
        value |= (head[index] & 127) << 7 * (index - position)
        if head[index] < 128:
            return value, index + 1
    return 0, -1
