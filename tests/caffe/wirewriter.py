"""A small writer of protobuf's wire format, for what protobuf itself would not write."""

from __future__ import annotations

import struct
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
DIGITS = Path(__file__).resolve().parents[2] / "fixtures" / "digits"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def nested(field: int, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return varint(field << 3 | 2) + varint(len(data)) + data


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def unpacked(field: int, *values: float) -> bytes:
    return b"".join(varint(field << 3 | 5) + floats(value) for value in values)


def unpacked_doubles(field: int, *values: float) -> bytes:
    return b"".join(varint(field << 3 | 1) + doubles(value) for value in values)


def shape(*dims: int) -> bytes:
    return nested(7, nested(1, *(varint(dim) for dim in dims)))


def blob(*contents: bytes) -> bytes:
    return nested(7, *contents)


def layer(name: str, kind: str, *contents: bytes) -> bytes:
    return nested(100, nested(1, name.encode()), nested(2, kind.encode()), *contents)


def net(*contents: bytes) -> bytes:
    return nested(1, b"net") + b"".join(contents)
