"""The prototxt inside a caffemodel: what the binary says about its layers besides the numbers.

Caffe writes the whole net into a ``.caffemodel``. The ids of its fields up to 136 mean the same in every fork; from 137
on forks reuse BVLC's ids for messages of their own, and beyond 148 there are only forks'. So a field is taken where
BVLC's Caffe has the id and, from 137 on, where the layer's type is one that the field belongs to. What is left out is said.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from caffe_bn_convert.caffe import hdf5, schema, wrongfile
from caffe_bn_convert.caffe.blob import read_exactly
from caffe_bn_convert.caffe.opening import open_raw
from caffe_bn_convert.caffe.upgrade import upgrade_net_message
from caffe_bn_convert.caffe.wire import BYTES, VARINT, Wire, key
from caffe_bn_convert.errors import ConversionError, UnsupportedError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNERS = {
    "embed_param": ("Embed",), "reduction_param": ("Reduction",), "tile_param": ("Tile",),
    "batch_norm_param": ("BatchNorm",), "elu_param": ("ELU",), "bias_param": ("Bias",), "scale_param": ("Scale",),
    "input_param": ("Input",), "crop_param": ("Crop",), "parameter_param": ("Parameter",),
    "recurrent_param": ("LSTM", "RNN", "Recurrent"), "swish_param": ("Swish",), "clip_param": ("Clip",),
}  # fmt: skip
"""Which types the fields from id 136 on belong to, in BVLC's Caffe."""

_LAYER, _LAYER_V1, _V0_INSIDE = key(100, BYTES), key(2, BYTES), key(1, BYTES)
_BLOBS = {"LayerParameter": 7, "V1LayerParameter": 6, "V0LayerParameter": 50}
_MOST = 1 << 20
"""Longest field that is read, in bytes; real ones have some dozens."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a caffemodel says about its net.

    Attributes:
        text: a prototxt, upgraded to today's form.
        lost: what is left out, one sentence each, beginning with the layer's name.
        layers: how many layers there are.
        whole: how many of them are complete.
    """

    text: str
    lost: tuple[str, ...]
    layers: int
    whole: int


def recover(path: str | os.PathLike[str]) -> Recovered:
    """Read the prototxt out of a ``.caffemodel``.

    Raises:
        WrongFileError: it is another kind of file.
        UnreadableError: it is damaged.
        UnsupportedError: it is HDF5, which has names and numbers only.
    """
    place = Path(path)
    head = wrongfile.read_head(place)
    if hdf5.is_hdf5(head):
        raise UnsupportedError("HDF5 weights hold no prototxt, only names and numbers", where=Where(file=str(place)))
    wrongfile.check_weights(place, head)
    with open_raw(place) as file:
        reader = _Reader(file, os.fstat(file.fileno()).st_size)
        net = reader.net()
    try:
        net = upgrade_net_message(net, str(place))
    except ConversionError as error:
        error.locate(Where(file=str(place)))
        raise
    _undo_splits(net)
    for layer in net.layer:  # the file holds the layers of one state, so the rules have done their work
        layer.ClearField("include")
        layer.ClearField("exclude")
    names = {line.split(":")[0] for line in reader.lost}
    text = text_format.MessageToString(net)
    return Recovered(text, tuple(reader.lost), len(net.layer), len(net.layer) - len(names))


def _undo_splits(net: Any) -> None:
    """Take out the Split layers that Caffe puts in where several layers read one blob (insert_splits.cpp)."""
    origin: dict[str, str] = {}
    kept = []
    for layer in net.layer:
        for i, bottom in enumerate(layer.bottom):
            layer.bottom[i] = origin.get(bottom, bottom)
        if layer.type == "Split" and all(re.search(r"_split_\d+$", top) for top in layer.top):
            origin.update(dict.fromkeys(layer.top, layer.bottom[0]))
        else:
            kept.append(layer)
    del net.layer[:]
    net.layer.extend(kept)


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.wire = Wire(file, size)
        self.lost: list[str] = []

    def net(self) -> Any:
        """The ``NetParameter`` without numbers."""
        net: Any = schema.message("NetParameter")()
        for tag, start, end in self.wire.fields(0, self.wire.size):
            if tag == _LAYER:
                self._fill(net.layer.add(), start, end)
            elif tag == _LAYER_V1:
                self._fill(net.layers.add(), start, end)
            elif tag & 7 == VARINT or end - start <= _MOST:
                self._merge(net, self._field(tag, start, end))
        return net

    def _fill(self, layer: Any, start: int, end: int) -> None:
        kind = layer.DESCRIPTOR.name
        pieces: list[tuple[int, bytes]] = []
        for tag, first, last in self.wire.fields(start, end):
            if tag >> 3 == _BLOBS[kind]:
                continue
            if kind == "V1LayerParameter" and tag == _V0_INSIDE:
                self._fill(layer.layer, first, last)
            elif tag & 7 != VARINT and last - first > _MOST:
                self.lost.append(f"{layer.name}: field {tag >> 3} has {last - first} bytes")
            else:
                pieces.append((tag >> 3, self._field(tag, first, last)))
        for number, piece in sorted(pieces, key=lambda each: each[0]):  # the type before what depends on it
            self._take(layer, number, piece)

    def _take(self, layer: Any, number: int, piece: bytes) -> None:
        field = layer.DESCRIPTOR.fields_by_number.get(number)
        if field is None or number >= schema.FIRST_FORK_ID:
            self.lost.append(f"{layer.name}: field {number} is of a fork")
            return
        owners = _OWNERS.get(field.name) if layer.DESCRIPTOR.name == "LayerParameter" else None
        if owners is not None and layer.type not in owners:
            self.lost.append(
                f"{layer.name}: field {number} is {field.name} in BVLC's Caffe, but the type is {layer.type}"
            )
            return
        if not self._merge(layer, piece):
            self.lost.append(f"{layer.name}: {field.name} (field {number}) is not in BVLC's form")
        elif field.message_type is not None:
            value = getattr(layer, field.name)
            for strange in _strange(value):
                self.lost.append(f"{layer.name}: field {strange} of {field.name} is of a fork")

    def _merge(self, message: Any, piece: bytes) -> bool:
        probe = type(message)()
        try:
            probe.MergeFromString(piece)
        except DecodeError:
            return False
        message.MergeFrom(probe)
        return True

    def _field(self, tag: int, first: int, last: int) -> bytes:
        """A field as it stands on the wire."""
        if tag & 7 == VARINT:
            return _varint(tag) + _varint(first)
        contents = bytes(read_exactly(self.file, first, last - first))
        return _varint(tag) + (_varint(len(contents)) if tag & 7 == BYTES else b"") + contents


def _strange(value: Any) -> Iterator[int]:
    """Take out the fields that BVLC's messages do not have, and tell their numbers.

    Our own schema has forks' fields too, under ids of ours; in a binary such an id means something else.
    """
    for message in value if hasattr(value, "add") else [value]:
        unknown: Any = UnknownFieldSet(message)
        yield from sorted({each.field_number for each in unknown})
        message.DiscardUnknownFields()
        for field, _ in message.ListFields():
            if field.number >= schema.FIRST_FORK_ID:
                message.ClearField(field.name)
                yield field.number


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
