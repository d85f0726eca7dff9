"""The tree of a prototxt: blocks of fields, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from caffe_bn_convert.caffe.prototxt.literals import parse_float, parse_integer

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.prototxt.source import Source

Kind: TypeAlias = Literal["string", "integer", "float", "word"]
"""What a value looks like: quoted, a whole number, another number, or a bare word (``MAX``, ``true``, ``inf``)."""

Value: TypeAlias = "int | float | bool | str"

_WORDS: dict[str, bool] = {"true": True, "True": True, "false": False, "False": False}
_FLOAT_WORDS = ("inf", "infinity", "nan")


@dataclass(frozen=True, slots=True)
class _Placed:
    source: Source = field(repr=False, compare=False)
    offset: int = field(repr=False, compare=False)

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return self.source.position(self.offset)[0]

    @property
    def column(self) -> int:
        """Column in the line, from 1."""
        return self.source.position(self.offset)[1]


@dataclass(frozen=True, slots=True)
class Scalar(_Placed):
    """A single value.

    Attributes:
        text: of a string, what it says (escapes undone; bytes that are no UTF-8 as lone surrogates);
            of anything else, what is written, without blanks after a minus sign.
        kind: ``"string"``, ``"integer"``, ``"float"`` or ``"word"``.
    """

    text: str
    kind: Kind

    @property
    def value(self) -> Value:
        """The value as Python has it: words are bools or floats where they read so, and strings otherwise."""
        if self.kind == "integer":
            return parse_integer(self.text)
        if self.kind == "float" or (self.kind == "word" and self.text.lstrip("-").lower() in _FLOAT_WORDS):
            return parse_float(self.text)
        return _WORDS.get(self.text, self.text) if self.kind == "word" else self.text


@dataclass(frozen=True, slots=True)
class Field(_Placed):
    """A name with its value; ``name: [1, 2]`` is two fields.

    Attributes:
        name: as written; with its brackets for an extension.
        value: a scalar or a block.
        listed: whether the value stood in a ``[...]`` list.
    """

    name: str
    value: Scalar | Block
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Block(_Placed):
    """What stands between braces, or the whole file.

    Attributes:
        fields: in the order of the file, unknown ones too.
        empty: the names that stand with an empty list, ``name: []``.
    """

    fields: tuple[Field, ...]
    empty: tuple[str, ...] = ()

    def get(self, name: str, default: Value | None = None) -> Value | None:
        """The last value of this name as Python has it, or the default if there is none."""
        for found in reversed(self.fields):
            if found.name == name and isinstance(found.value, Scalar):
                return found.value.value
        return default

    def block(self, name: str) -> Block | None:
        """The last block of this name."""
        for found in reversed(self.fields):
            if found.name == name and isinstance(found.value, Block):
                return found.value
        return None

    def all(self, name: str) -> list[Field]:
        """Every field of this name, in order."""
        return [found for found in self.fields if found.name == name]
