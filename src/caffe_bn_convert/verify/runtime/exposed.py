"""The same ONNX file with inner values among its outputs, without parsing its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

GRAPH = 7  # field of ModelProto


@dataclass(frozen=True, slots=True)
class ExposedModel:
    """A model file and the inner values to show.

    Attributes:
        path: the file.
        values: names of values inside its graph.
    """

    path: Path
    values: tuple[str, ...]

    def bytes(self) -> bytes:
        """The file with more outputs.

        Protobuf joins a message that comes twice: a second ``graph`` that has nothing but outputs, put behind the
        file's bytes, adds these outputs to the first.
        """
        more = onnx.GraphProto()
        for name in self.values:
            more.output.add(name=name)
        graph = more.SerializeToString()
        return self.path.read_bytes() + _field(GRAPH, len(graph)) + graph

    @classmethod
    def of(cls, path: Path, wanted: Collection[str], outputs: Collection[str]) -> ExposedModel:
        """The values of ``wanted`` that the file's nodes make, less those that are outputs already."""
        return cls(path, tuple(name for name in made(path) if name in wanted and name not in outputs))


def made(path: Path) -> list[str]:
    """The values that the nodes of the file's graph make, in their order."""
    model = onnx.load(str(path), load_external_data=False)
    return [name for node in model.graph.node for name in node.output if name]


def _field(number: int, length: int) -> bytes:
    out = bytearray()
    for value in (number << 3 | 2, length):
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)
