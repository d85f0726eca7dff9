"""Parameters of forks' layers, from the message where its schema knows the field, else from the text.

Caffe keeps every number of a prototxt as a ``float`` (float32) or an integer; so does this reader: ``0.1`` is
``float32(0.1)`` whether it comes from a message or from the text. Defaults are the caller's, never the schema's: the
forks disagree about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from .layer import Layer

_TRUE = frozenset({"true", "True", "t", "1"})
_FALSE = frozenset({"false", "False", "f", "0"})


def _known(message: Any, name: str) -> bool:
    return message is not None and name in message.DESCRIPTOR.fields_by_name


def _from_message(message: Any, name: str) -> list[Any]:
    field = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    values = list(value) if hasattr(value, "append") else [value] if message.HasField(name) else []
    if field.enum_type is not None:
        return [field.enum_type.values_by_number[number].name for number in values]
    return values


@dataclass(frozen=True, slots=True)
class Fields:
    """One block of parameters, such as ``interp_param { … }``; empty where the layer has none.

    Attributes:
        message: the message, or None where the schema does not know the block.
        text: the block of the prototxt, or None.
        name: for messages.
    """

    message: Any
    text: Any
    name: str

    def values(self, name: str) -> list[Any]:
        """All values of a field, as they stand: numbers and words from a message, words from the text."""
        if _known(self.message, name):
            return _from_message(self.message, name)
        if self.text is None:
            return []
        return [getattr(field.value, "text", field.value) for field in self.text.all(name)]

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        return bool(self.values(name))

    def numbers(self, name: str) -> list[float]:
        """A repeated float; raises InvalidNetError if one is no number."""
        try:
            return [float(np.float32(float(_plain(value)))) for value in self.values(name)]
        except ValueError:
            raise InvalidNetError(f"{self.name}.{name} must be a number") from None

    def integers(self, name: str) -> list[int]:
        """A repeated integer; raises InvalidNetError if one is no integer."""
        try:
            return [_whole(value) for value in self.values(name)]
        except ValueError:
            raise InvalidNetError(f"{self.name}.{name} must be an integer") from None

    def number(self, name: str, default: float) -> float:
        """A float, rounded to float32."""
        return (self.numbers(name) or [float(np.float32(default))])[-1]

    def integer(self, name: str, default: int) -> int:
        """An integer."""
        return (self.integers(name) or [default])[-1]

    def flag(self, name: str, *, default: bool) -> bool:
        """A bool; raises InvalidNetError if it is none."""
        values = self.values(name)
        word = str(values[-1]) if values else str(default)
        if word not in _TRUE | _FALSE:
            raise InvalidNetError(f"{self.name}.{name} must be true or false, not {word}")
        return word in _TRUE

    def word(self, name: str, default: str) -> str:
        """A string or the name of an enum's value."""
        values = self.values(name)
        return str(values[-1]) if values else default

    def inner(self, name: str) -> Fields:
        """A block within this one."""
        known = _known(self.message, name)
        block = self.text.block(name) if self.text is not None else None
        return Fields(getattr(self.message, name) if known else None, block, f"{self.name}.{name}")


def _plain(value: Any) -> str:
    """A number's text without the ``f`` that protobuf's text format allows at its end."""
    word = str(value)
    return word[:-1] if word[-1:] in "fF" and not word.lower().startswith(("0x", "inf", "-inf")) else word


def _whole(value: Any) -> int:
    """An integer; what is an integer in one fork can be a float in another, and then in the schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else int(_plain(value), 0)


def fields(layer: Layer, name: str) -> Fields:
    """The layer's block ``name``, such as ``"interp_param"``."""
    return Fields(layer.parameter, layer.text, str(layer.parameter.type)).inner(name)
