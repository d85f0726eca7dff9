"""Reading a ``.caffemodel``: which layers it has, and where the numbers of their blobs are.

Of a layer only its name, type, param names and blobs are looked at. These have the same numbers in Caffe and in all its
forks; the other numbers mean different things in different forks, and their contents are not even parsed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from caffe_bn_convert.caffe import hdf5, wrongfile
from caffe_bn_convert.caffe.blob import Blob, Encoding, Span
from caffe_bn_convert.caffe.blobproto import read_blob
from caffe_bn_convert.caffe.opening import open_raw
from caffe_bn_convert.caffe.source import Caffemodel, SourceLayer
from caffe_bn_convert.caffe.v1types import V1_TYPES
from caffe_bn_convert.caffe.wire import BYTES, VARINT, Wire, key
from caffe_bn_convert.errors import ConversionError, ResourceLimitError, UnreadableError, Where
from caffe_bn_convert.stages import stage

__all__ = ["Blob", "Caffemodel", "Encoding", "SourceLayer", "Span", "read"]

_MAX_ITEMS = 1 << 20

# of NetParameter
_LAYERS_V1, _LAYER = key(2, BYTES), key(100, BYTES)


class _Form:
    """The field numbers of one of Caffe's three layer messages."""

    def __init__(self, name: int, kind: int, blobs: int, param: int) -> None:
        self.name, self.kind, self.blobs, self.param = key(name, BYTES), kind, key(blobs, BYTES), param


_V2 = _Form(name=1, kind=key(2, BYTES), blobs=7, param=key(6, BYTES))
_V1 = _Form(name=4, kind=key(5, VARINT), blobs=6, param=key(1001, BYTES))
_V0 = _Form(name=1, kind=key(2, BYTES), blobs=50, param=-1)
_V0_LAYER = key(1, BYTES)  # of V1LayerParameter
_PARAM_NAME = key(1, BYTES)  # of ParamSpec


@stage("weights")
def read(path: str | os.PathLike[str]) -> Caffemodel:
    """The layers of the ``.caffemodel`` or ``.caffemodel.h5`` at ``path``, without the numbers.

    Raises:
        WrongFileError: it is another kind of file, a directory, or not there.
        UnreadableError: it is damaged, or changed while it was being read.
        UnsupportedError: its numbers are integers.
        ResourceLimitError: it claims to hold an absurd number of layers or blobs.
    """
    place = Path(path)
    head = wrongfile.read_head(place)
    if hdf5.is_hdf5(head):
        return hdf5.read(place)
    wrongfile.check_weights(place, head)
    with open_raw(place) as file:
        status = os.fstat(file.fileno())
        reader = _Reader(Wire(file, status.st_size), place)
        try:
            layers = reader.layers()
        except ConversionError as error:
            error.locate(Where(file=str(place)))
            raise
    model = Caffemodel(place, layers, status.st_size, status.st_mtime_ns)
    model.check_unchanged()
    return model


class _Reader:
    def __init__(self, wire: Wire, path: Path) -> None:
        self._wire = wire
        self._path = path
        self._items = 0

    def layers(self) -> tuple[SourceLayer, ...]:
        v1: list[SourceLayer] = []
        v2: list[SourceLayer] = []
        for tag, start, end in self._wire.fields(0, self._wire.size):
            if tag == _LAYER:
                v2.append(self._layer(start, end, _V2))
            elif tag == _LAYERS_V1:
                v1.append(self._layer_v1(start, end))
        if v1 and v2:
            raise UnreadableError(
                f"holds {len(v2)} layers as 'layer' and {len(v1)} as 'layers'",
                hint="Caffe forgets the former when it loads such a file. Remove one kind.",
            )
        return tuple(v1 or v2)

    def _layer_v1(self, start: int, end: int) -> SourceLayer:
        inner = [(a, b) for tag, a, b in self._wire.fields(start, end) if tag == _V0_LAYER]
        if not inner:
            return self._layer(start, end, _V1)
        if len(inner) > 1:
            raise UnreadableError(f"the layer at byte {start} holds {len(inner)} layers of the oldest form, not one")
        return self._layer(*inner[0], _V0)

    def _layer(self, start: int, end: int, form: _Form) -> SourceLayer:
        wire = self._wire
        name = kind = ""
        blobs: list[tuple[int, int]] = []
        params: list[str] = []
        for tag, first, last in wire.fields(start, end):
            if tag == form.blobs:
                blobs.append((first, last))
                self._count()
            elif tag == form.name:
                name = wire.text(first, last)
            elif tag == form.kind:
                kind = wire.text(first, last) if form is not _V1 else V1_TYPES.get(first, f"V1 type {first}")
            elif tag == form.param:
                params.append(wire.text(first, last) if form is _V1 else self._param_name(first, last))
                self._count()
        self._count()
        return SourceLayer(name, kind, self._blobs(name, kind, blobs), tuple(params))

    def _blobs(self, name: str, kind: str, places: list[tuple[int, int]]) -> tuple[Blob, ...]:
        found: list[Blob] = []
        try:
            for start, end in places:
                found.append(read_blob(self._wire, self._path, start, end))
        except ConversionError as error:
            error.problems = tuple(replace(p, what=f"blob {len(found)}: {p.what}") for p in error.problems)
            error.locate(Where(layer=name, type=kind or None))
            raise
        return tuple(found)

    def _param_name(self, start: int, end: int) -> str:
        name = ""
        for tag, first, last in self._wire.fields(start, end):
            if tag == _PARAM_NAME:
                name = self._wire.text(first, last)
        return name

    def _count(self) -> None:
        self._items += 1
        if self._items > _MAX_ITEMS:
            raise ResourceLimitError(f"claims to hold more than {_MAX_ITEMS} layers and blobs")
