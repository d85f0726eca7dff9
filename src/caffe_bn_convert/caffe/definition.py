"""A net as its prototxt defines it: messages, each beside the text it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import Where

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.prototxt import Block


@dataclass(frozen=True, slots=True)
class LayerDefinition:
    """One layer.

    Attributes:
        parameter: a ``LayerParameter`` message (before the upgrades: also ``V1LayerParameter``); never modified.
        text: the block of the prototxt that it was read from, with the fields that our schema does not know;
            None for layers that an upgrade made (an Input layer for a top-level ``input:``).
    """

    parameter: Any
    text: Block | None = None

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.parameter.name)

    @property
    def type(self) -> str:
        """The layer's type, such as ``"Convolution"``."""
        return str(self.parameter.type)

    def where(self) -> Where:
        """The layer's place, for messages; the file is added further out."""
        line = self.text.line if self.text is not None else None
        return Where(line=line, layer=self.name, type=self.type)


@dataclass(frozen=True, slots=True)
class NetDefinition:
    """A net: the fields of its ``NetParameter`` other than layers, and the layers.

    Attributes:
        parameter: a ``NetParameter`` message without ``layer`` and ``layers``.
        layers: in the order of the file.
        file: the name of the prototxt, for messages.
        text: the whole tree.
    """

    parameter: Any
    layers: tuple[LayerDefinition, ...] = field(default=())
    file: str = "<prototxt>"
    text: Block | None = None

    @property
    def name(self) -> str:
        """The net's name."""
        return str(self.parameter.name)
