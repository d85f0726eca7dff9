"""Who makes and who reads each value, for nets that may be wrong: what does not fit is noted, and the rest goes on.

:mod:`caffe_bn_convert.net.wiring` does the same for nets that must be right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition


@dataclass(slots=True)
class Value:
    """One value of a blob; a layer that works in place makes a new one.

    Attributes:
        blob: the blob's name.
        maker: index of the layer that makes it; None where none does.
        readers: indices of the layers that read it.
    """

    blob: str
    maker: int | None
    readers: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Clash:
    """What Caffe would refuse: the layer, the number of its bottom or top, and the rule."""

    code: str
    layer: int
    position: int
    blob: str
    other: int | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """The values that every layer reads and makes, and what clashes."""

    bottoms: tuple[tuple[Value, ...], ...]
    tops: tuple[tuple[Value, ...], ...]
    clashes: tuple[Clash, ...]
    values: tuple[Value, ...]


def trace(layers: Sequence[LayerDefinition]) -> Wiring:
    """Follow the blobs through the layers, in Caffe's order."""
    tracer = _Tracer()
    for index, layer in enumerate(layers):
        tracer.add(index, layer)
    return Wiring(tuple(tracer.bottoms), tuple(tracer.tops), tuple(tracer.clashes), tuple(tracer.values))


class _Tracer:
    def __init__(self) -> None:
        self.current: dict[str, Value] = {}
        self.values: list[Value] = []
        self.bottoms: list[tuple[Value, ...]] = []
        self.tops: list[tuple[Value, ...]] = []
        self.clashes: list[Clash] = []

    def add(self, index: int, layer: LayerDefinition) -> None:
        names = list(layer.parameter.bottom)
        self.bottoms.append(tuple(self._read(blob, index, position) for position, blob in enumerate(names)))
        self.tops.append(tuple(self._make(blob, index, i, names) for i, blob in enumerate(layer.parameter.top)))

    def _read(self, blob: str, index: int, position: int) -> Value:
        if blob not in self.current:
            self.clashes.append(Clash("NET011", index, position, blob))
            self._new(blob, None)  # so that the next reader is not reported for the same thing
        value = self.current[blob]
        value.readers.append(index)
        return value

    def _make(self, blob: str, index: int, position: int, bottoms: Sequence[str]) -> Value:
        before = self.current.get(blob)
        if before is not None and before.maker is not None:
            if position >= len(bottoms) or bottoms[position] != blob:
                self.clashes.append(Clash("NET010", index, position, blob, before.maker))
            elif len(before.readers) > 1:
                self.clashes.append(Clash("NET004", index, position, blob, before.readers[0]))
        return self._new(blob, index)

    def _new(self, blob: str, maker: int | None) -> Value:
        value = Value(blob, maker)
        self.current[blob] = value
        self.values.append(value)
        return value
