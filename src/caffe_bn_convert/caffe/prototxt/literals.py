"""The literals of protobuf's text format: numbers and quoted strings."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?!0[0-9])(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?")
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<hex>[0-9a-fA-F]{1,2})"
    r"|u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<letter>[\s\S]?))"
)
_LETTERS = dict(zip("abfnrtv\\?'\"", "\a\b\f\n\r\t\v\\?'\"", strict=True))


class EscapeError(ValueError):
    """An escape that the format does not have; ``args[0]`` is the escape, ``args[1]`` its offset in the string."""


def is_integer(text: str) -> bool:
    """Whether the text is a whole number: decimal, ``0x`` hexadecimal or ``0`` octal, perhaps negative."""
    return _INTEGER.fullmatch(text) is not None


def is_float(text: str) -> bool:
    """Whether the text is a decimal number, such as ``.5``, ``5.``, ``1e-3`` or ``1.5f``."""
    return _FLOAT.fullmatch(text) is not None


def parse_integer(text: str) -> int:
    """The value of a text that :func:`is_integer` accepts."""
    digits = text.removeprefix("-").lower()
    base = 16 if digits.startswith("0x") else 8 if len(digits) > 1 and digits[0] == "0" else 10
    value = int(digits, base)
    return -value if text[0] == "-" else value


def parse_float(text: str) -> float:
    """The value of a text that :func:`is_float` accepts, or of ``inf``, ``infinity`` and ``nan`` in any case."""
    return float(text if text[-1] not in "fF" or text[-3:].lower() == "inf" else text[:-1])


def unescape(body: str) -> str:
    """What a string says, given what stands between its quotes.

    Bytes that are no UTF-8 come out as lone surrogates (Python's ``surrogateescape``).

    Raises:
        EscapeError: an escape that the format does not have.
    """
    if "\\" not in body:
        return body
    out = bytearray()
    end = 0
    for match in _ESCAPE.finditer(body):
        out += body[end : match.start()].encode("utf-8", "surrogateescape")
        out += _escaped(match)
        end = match.end()
    out += body[end:].encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "surrogateescape")


def rejoin(parts: list[str]) -> str:
    """Adjacent strings as one; a character's bytes may lie in two of them."""
    return "".join(parts).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escaped(match: re.Match[str]) -> bytes:
    """The bytes that one escape stands for."""
    if match["octal"]:
        return bytes([int(match["octal"], 8) & 0xFF])
    if match["hex"]:
        return bytes([int(match["hex"], 16)])
    if match["letter"] is not None:
        if match["letter"] not in _LETTERS:
            raise EscapeError(match[0], match.start())
        return _LETTERS[match["letter"]].encode()
    return chr(_code_point(match)).encode("utf-8")


def _code_point(match: re.Match[str]) -> int:
    """The character that ``\\u`` or ``\\U`` names; a pair of surrogates is one character."""
    if match["high"]:
        return 0x10000 + ((int(match["high"], 16) & 0x3FF) << 10) + (int(match["low"], 16) & 0x3FF)
    code = int(match["short"] or match["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise EscapeError(match[0], match.start())
    return code
