"""From Caffe's blobs, which layers overwrite in place, to values that are written once.

The last value of a blob keeps the blob's name. Earlier values are called ``blob/layer`` after the layer that made them;
a net input always keeps its name, so that every value made in place on it is ``input/layer``. Should a blob of that
name exist, a number is added: ``blob/layer_2``.

Split, Reshape and Flatten copy nothing in Caffe: their tops lie in their bottom's memory. Nor do a Permute that leaves
the order as it is, a Concat of one bottom and a Slice with one top. A layer that then works in place on one of these
blobs changes all of them, for every layer that runs later and for the net's outputs. Where that is seen, the other blob
gets a new value: a view of the changed one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition


@dataclass(frozen=True, slots=True)
class View:
    """A value that shows another one's numbers under its own blob's shape.

    Attributes:
        before: the index of the layer before which it is needed; the number of layers for an output.
        top: its name.
        bottom: the value whose numbers it shows.
        shaped_like: an earlier value of its blob.
    """

    before: int
    top: str
    bottom: str
    shaped_like: str


@dataclass(frozen=True, slots=True)
class Wires:
    """The values of a net.

    Attributes:
        bottoms: for every layer the names of the values that it reads.
        tops: for every layer the names of the values that it makes.
        views: values that no layer makes, in order.
        unread: values that no layer reads, in order of definition: the net's outputs.
    """

    bottoms: tuple[tuple[str, ...], ...]
    tops: tuple[tuple[str, ...], ...]
    views: tuple[View, ...]
    unread: tuple[str, ...]


def shares_memory(layer: LayerDefinition) -> bool:
    """Whether the layer's tops lie in the memory of its bottom (``ShareData``)."""
    parameter = layer.parameter
    if layer.type == "Permute":
        order = list(parameter.permute_param.order)
        return order == list(range(len(order)))
    if layer.type == "Reshape" and parameter.reshape_param.pixelshuffler != 1:
        return False
    return (
        layer.type in ("Split", "Reshape", "Flatten")
        or (layer.type == "Gather" and not parameter.HasField("gather_param"))
        or (layer.type == "Concat" and len(parameter.bottom) == 1)
        or (layer.type == "Slice" and len(parameter.top) == 1)
    )


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
    for index, (layer, source) in enumerate(zip(layers, sources, strict=True)):
        with at(layer.where):
            if not all((*layer.parameter.bottom, *layer.parameter.top)):
                raise UnsupportedError('a blob is called "", which ONNX has no word for', hint="give it a name")
            bottoms.append(tuple(versions.read(blob, index) for blob in layer.parameter.bottom))
            made = tuple(versions.make(blob, i, layer, source) for i, blob in enumerate(layer.parameter.top))
            if shares_memory(layer):
                versions.share(layer)
            tops.append(made)
    unread = versions.finish(len(layers))
    names = versions.names()
    return Wires(
        tuple(tuple(names[v] for v in values) for values in bottoms),
        tuple(tuple(names[v] for v in values) for values in tops),
        tuple(View(before, *(names[v] for v in values)) for before, *values in versions.views),
        tuple(names[v] for v in unread),
    )


class _Versions:
    def __init__(self) -> None:
        self.of: dict[str, list[int]] = defaultdict(list)  # blob -> its values so far
        self.made: list[tuple[str, str, bool]] = []  # value -> blob, layer, is a net input
        self.readers: Counter[int] = Counter()
        self.memory: dict[str, set[str]] = {}  # blob -> all blobs that lie in the same memory
        self.stale: dict[str, tuple[str, str]] = {}  # blob -> the blob that was changed in its memory, by which layer
        self.views: list[tuple[int, int, int, int]] = []  # before which layer, top, bottom, shaped like

    def read(self, blob: str, index: int) -> int:
        if blob not in self.of:
            raise InvalidNetError(
                f'its bottom "{blob}" is made by no layer above it',
                hint="layers must stand after those that they read; was the layer that makes it excluded in this phase?",
            )
        self._refresh(blob, index)
        value = self.of[blob][-1]
        self.readers[value] += 1
        return value

    def make(self, blob: str, position: int, layer: LayerDefinition, source: bool) -> int:  # noqa: FBT001  (of a list)
        if blob in self.of:
            self._check_in_place(blob, position, layer)
            for other in self.memory.get(blob, set()) - {blob}:
                self.stale[other] = (blob, layer.name)
        return self._new(blob, layer.name, source=source)

    def share(self, layer: LayerDefinition) -> None:
        """Put the tops into the bottom's memory; of several bottoms each has the top at its place."""
        tops, bottoms = layer.parameter.top, layer.parameter.bottom
        groups = zip(bottoms, tops, strict=False) if len(bottoms) > 1 else [(*bottoms, *tops)]
        for blobs in groups:
            memory = set(blobs).union(*(self.memory.get(blob, set()) for blob in blobs))
            self.memory.update(dict.fromkeys(memory, memory))

    def finish(self, count: int) -> list[int]:
        """Bring the outputs up to date; returns them."""
        unread = [values[-1] for values in self.of.values() if not self.readers[values[-1]]]
        for value in unread:
            self._refresh(self.made[value][0], count)
        return sorted((self.of[self.made[value][0]][-1] for value in unread), key=self._definition)

    def _definition(self, value: int) -> int:
        return self.of[self.made[value][0]][0]

    def _refresh(self, blob: str, index: int) -> None:
        if blob in self.stale:
            changed, layer = self.stale.pop(blob)
            old = self.of[blob][-1]
            self.views.append((index, self._new(blob, layer, source=False), self.of[changed][-1], old))

    def _new(self, blob: str, layer: str, *, source: bool) -> int:
        self.made.append((blob, layer, source))
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
