"""Scalars to the values of protobuf's field types, by the rules of its text format."""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from caffe_bn_convert.caffe.prototxt.literals import is_float, parse_float, parse_integer
from caffe_bn_convert.caffe.schema import FIRST_FORK_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.descriptor import EnumDescriptor

    from caffe_bn_convert.caffe.prototxt.tree import Scalar

Value: TypeAlias = "int | float | bool | str | bytes"

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_TRUE = ("true", "True", "t")
_FALSE = ("false", "False", "f")


class MismatchError(Exception):
    """A value that its field cannot take; says what the field takes, and perhaps a hint."""

    def __init__(self, takes: str, hint: str | None = None) -> None:
        super().__init__(takes)
        self.takes = takes
        self.hint = hint


def converter(field: FieldDescriptor) -> Callable[[Scalar], Value]:
    """The function that turns a scalar into a value for this field, or raises ``MismatchError``."""
    if field.cpp_type in _RANGES:
        return partial(_integer, *_RANGES[field.cpp_type])
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return _float
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool
    if field.enum_type is not None:
        return partial(_enum, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes
    # Enums of forks whose values are on no record are strings in our schema: their words come without quotes.
    return _word_or_string if field.number >= FIRST_FORK_ID else _string


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names what resembles the word, or None."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return f'did you mean "{folded[close[0]]}"?' if close else None


def _integer(low: int, high: int, scalar: Scalar) -> int:
    if scalar.kind == "integer":
        value = parse_integer(scalar.text)
        if low <= value <= high:
            return value
    raise MismatchError(f"a whole number from {low} to {high}")


def _float(scalar: Scalar) -> float:
    if scalar.kind == "float" or (scalar.kind == "integer" and is_float(scalar.text)):
        return parse_float(scalar.text)
    if scalar.kind == "word" and scalar.text.removeprefix("-").lower() in ("inf", "infinity", "nan"):
        return parse_float(scalar.text)
    hint = "a number with a fraction cannot be octal or hexadecimal" if scalar.kind == "integer" else None
    raise MismatchError("a number", hint)


def _bool(scalar: Scalar) -> bool:
    if scalar.kind == "word" and scalar.text in _TRUE:
        return True
    if scalar.kind == "word" and scalar.text in _FALSE:
        return False
    if scalar.kind == "integer" and scalar.text[0] != "-" and parse_integer(scalar.text) in (0, 1):
        return parse_integer(scalar.text) == 1
    raise MismatchError("true or false")


def _enum(enum: EnumDescriptor, scalar: Scalar) -> int:
    if scalar.kind == "word":
        value = enum.values_by_name.get(scalar.text)
    elif scalar.kind == "integer":
        value = enum.values_by_number.get(parse_integer(scalar.text))
    else:
        value = None
    if value is not None:
        return int(value.number)
    names = [known.name for known in enum.values]
    takes = "one of " + ", ".join(names) if len(names) <= 8 else f"a {enum.name}"
    hint = did_you_mean(scalar.text, names)
    raise MismatchError(takes, "write it without quotes" if scalar.kind == "string" and scalar.text in names else hint)


def _word_or_string(scalar: Scalar) -> str:
    return scalar.text if scalar.kind == "word" else _string(scalar)


def _string(scalar: Scalar) -> str:
    if scalar.kind != "string":
        raise MismatchError("a string", f'write it with quotes: "{scalar.text}"')
    if not scalar.text.isascii():
        try:
            scalar.text.encode("utf-8")
        except UnicodeEncodeError:
            raise MismatchError("text in UTF-8", "save the file as UTF-8") from None
    return scalar.text


def _bytes(scalar: Scalar) -> bytes:
    if scalar.kind != "string":
        raise MismatchError("a string", f'write it with quotes: "{scalar.text}"')
    return scalar.text.encode("utf-8", "surrogateescape")
