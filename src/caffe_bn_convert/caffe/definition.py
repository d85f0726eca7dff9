"""A net as its prototxt defines it: messages, each beside the text it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import Where

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.prototxt import Block, Unknown


@dataclass(frozen=True, slots=True)
class LayerDefinition:
    """One layer.

    Attributes:
        parameter: a ``LayerParameter`` message (before the upgrades: also ``V1LayerParameter``); never modified.
        text: the block of the prototxt that it was read from, with the fields that our schema does not know;
            None for layers that an upgrade made (an Input layer for a top-level ``input:``).
        unknown: the fields that our schema does not know, with their paths inside the layer.
    """

    parameter: Any
    text: Block | None = None
    unknown: tuple[Unknown, ...] = ()

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.parameter.name)

    @property
    def type(self) -> str:
        """The layer's type, such as ``"Convolution"``; before the upgrades also the word of V1, ``CONVOLUTION``."""
        if isinstance(self.parameter.type, str):
            return self.parameter.type
        word = self.text.get("type") if self.text is not None else None
        if isinstance(word, str):
            return word
        values = self.parameter.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number
        return str(values[self.parameter.type].name)

    def where(self, file: str | None = None) -> Where:
        """The layer's place, for messages; without ``file`` that is added further out."""
        line = self.text.line if self.text is not None else None
        return Where(file, line, None, self.name, self.type)


@dataclass(frozen=True, slots=True)
class NetDefinition:
    """A net: the fields of its ``NetParameter`` other than layers, and the layers.

    Attributes:
        parameter: a ``NetParameter`` message without ``layer`` and ``layers``.
        layers: in the order of the file.
        file: the name of the prototxt, for messages.
        text: the whole tree.
        unknown: the fields outside layers that our schema does not know.
    """

    parameter: Any
    layers: tuple[LayerDefinition, ...] = field(default=())
    file: str = "<prototxt>"
    text: Block | None = None
    unknown: tuple[Unknown, ...] = ()

    @property
    def name(self) -> str:
        """The net's name."""
        return str(self.parameter.name)
