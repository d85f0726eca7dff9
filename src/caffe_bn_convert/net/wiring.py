"""From Caffe's blobs, which layers overwrite in place, to values that are written once.

The last value of a blob keeps the blob's name. Earlier values are called ``blob/layer`` after the layer that made them;
a net input always keeps its name, so that every value made in place on it is ``input/layer``. Should a blob of that
name exist, a number is added: ``blob/layer_2``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition


@dataclass(frozen=True, slots=True)
class Wires:
    """The values of a net.

    Attributes:
        bottoms: for every layer the names of the values that it reads.
        tops: for every layer the names of the values that it makes.
        unread: values that no layer reads, in order of definition: the net's outputs.
    """

    bottoms: tuple[tuple[str, ...], ...]
    tops: tuple[tuple[str, ...], ...]
    unread: tuple[str, ...]


def top_names(layer: LayerDefinition) -> tuple[str, ...]:
    """The layer's tops; a loss without one gets a top called like the layer (Caffe's is nameless)."""
    return tuple(layer.parameter.top)


def wire(layers: Sequence[LayerDefinition], sources: Sequence[bool]) -> Wires:
    """Undo in-place computation.

    Args:
        layers: the layers, in Caffe's order.
        sources: for every layer whether its tops are net inputs.

    Raises:
        InvalidNetError: an unknown bottom, or a blob made twice (Caffe: "produced by multiple sources").
    """
    versions = _Versions()
    bottoms: list[tuple[int, ...]] = []
    tops: list[tuple[int, ...]] = []
    for layer, source in zip(layers, sources, strict=True):
        with at(layer.where()):
            read = tuple(versions.read(blob) for blob in layer.parameter.bottom)
            bottoms.append(read)
            tops.append(tuple(versions.make(blob, i, layer, source) for i, blob in enumerate(top_names(layer))))
    names = versions.names()
    return Wires(
        tuple(tuple(names[v] for v in values) for values in bottoms),
        tuple(tuple(names[v] for v in values) for values in tops),
        tuple(names[v] for v in range(len(names)) if not versions.readers[v]),
    )


class _Versions:
    def __init__(self) -> None:
        self.of: dict[str, list[int]] = defaultdict(list)  # blob -> its values so far
        self.made: list[tuple[str, str, bool]] = []  # value -> blob, layer, is a net input
        self.readers: Counter[int] = Counter()

    def read(self, blob: str) -> int:
        if blob not in self.of:
            raise InvalidNetError(
                f'its bottom "{blob}" is made by no layer above it',
                hint="layers must stand after those that they read; was the layer that makes it excluded in this phase?",
            )
        value = self.of[blob][-1]
        self.readers[value] += 1
        return value

    def make(self, blob: str, position: int, layer: LayerDefinition, source: bool) -> int:  # noqa: FBT001  (of a list)
        if blob in self.of:
            self._check_in_place(blob, position, layer)
        self.made.append((blob, layer.name, source))
        self.of[blob].append(len(self.made) - 1)
        return len(self.made) - 1

    def _check_in_place(self, blob: str, position: int, layer: LayerDefinition) -> None:
        bottoms = layer.parameter.bottom
        if position >= len(bottoms) or bottoms[position] != blob:
            raise InvalidNetError(
                f'its top "{blob}" was made before, by layer "{self.made[self.of[blob][-1]][1]}"',
                hint="give the top another name; if the two layers belong to different phases, give both an include rule",
            )
        # Caffe puts a Split behind every blob with several readers, and then the in-place top is no longer its bottom.
        if self.readers[self.of[blob][-1]] > 1:
            raise InvalidNetError(
                f'it works in place on "{blob}", which another layer has read before; Caffe refuses that',
                hint="give its top a name of its own",
            )

    def names(self) -> list[str]:
        taken = {blob for blob, _, _ in self.made}
        names: list[str] = []
        for value, (blob, layer, source) in enumerate(self.made):
            of_input = self.made[self.of[blob][0]][2]
            keeps = source if of_input else value == self.of[blob][-1]
            if keeps:
                names.append(blob)
                continue
            wanted, count = f"{blob}/{layer}", 1
            while wanted in taken:
                count += 1
                wanted = f"{blob}/{layer}_{count}"
            taken.add(wanted)
            names.append(wanted)
        return names
