"""Reading a ``.caffemodel.h5``: /data/<layer>/<index> datasets."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.caffe.blob import Blob, Encoding, Span
from caffe_bn_convert.caffe.source import Caffemodel, SourceLayer
from caffe_bn_convert.errors import (
    ResourceLimitError,
    UnreadableError,
    UnsupportedError,
    Where,
    WrongFileError,
    at,
)

if TYPE_CHECKING:
    import os
    from types import ModuleType

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_MAX_BLOBS = 1000
_FREE = 1 << 26
_RATIO = 100  # weights are noise: no lossless filter makes them this much smaller


def is_hdf5(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is HDF5. Its signature may be behind a block of the user's own."""
    return head.startswith(_SIGNATURE) or any(
        head.startswith(_SIGNATURE, 512 << step) for step in range(len(head).bit_length())
    )


def read(path: str | os.PathLike[str]) -> Caffemodel:
    """The layers of the HDF5 file at ``path``, in the order of their names.

    Datasets that lie in one piece are located; compressed and other ones are decoded into memory at once. No link is
    followed, whether into another file or within this one: Caffe writes none.

    Raises:
        UnreadableError: h5py is not installed, or the file is damaged, or not as Caffe writes it.
        WrongFileError: the HDF5 file is not one of Caffe's.
        UnsupportedError: its numbers are no floats.
        ResourceLimitError: unpacked, it would be absurdly larger than it is.
    """
    place = Path(path)
    with at(Where(file=str(place))):
        h5py = _h5py()
        try:
            status = place.stat()
            with closing(h5py.File(place, "r")) as file:
                layers = _Reader(h5py, place, status.st_size).layers(file)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError, AttributeError) as error:
            raise UnreadableError(f"is damaged: HDF5 says {error}", hint="Get the file again.") from error
        model = Caffemodel(place, layers, status.st_size, status.st_mtime_ns)
        model.check_unchanged()
    return model


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise UnreadableError(
            "is an HDF5 file, and h5py is not installed", hint="pip install 'caffe-bn-convert[hdf5]'"
        ) from error
    module: ModuleType = h5py
    return module


class _Reader:
    def __init__(self, h5py: ModuleType, path: Path, size: int) -> None:
        self._h5py = h5py
        self._path = path
        self._size = size
        self._budget = _FREE + _RATIO * size

    def layers(self, file: Any) -> tuple[SourceLayer, ...]:
        if "data" not in file:
            held = ", ".join(sorted(str(name) for name in file)[:5]) or "nothing"
            raise WrongFileError(
                f"is an HDF5 file without a group 'data', so not one of Caffe's: it holds {held}",
                hint="Keras and others use HDF5, too. Give the .caffemodel.h5 that Caffe wrote.",
            )
        data = self._member(file, "data", self._h5py.Group)
        return tuple(self._layer(data, name) for name in sorted(data))

    def _layer(self, data: Any, name: str) -> SourceLayer:
        with at(Where(layer=name)):
            group = self._member(data, name, self._h5py.Group)
            found: dict[int, Blob] = {}
            for member in group:
                if not (member.isascii() and member.isdecimal()) or int(member) >= _MAX_BLOBS:
                    told = f"/data/{name}/{member} is no blob: Caffe counts a layer's blobs from 0"
                    raise UnreadableError(told)
                found[int(member)] = self._blob(self._member(group, member, self._h5py.Dataset))
        return SourceLayer(name, "", tuple(found.get(index) for index in range(max(found, default=-1) + 1)))

    def _member(self, group: Any, name: str, kind: type) -> Any:
        link = group.get(name, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            raise UnreadableError(f"{group.name}/{name} is a link; links are not followed", hint="Caffe writes none.")
        member = group[name]
        if not isinstance(member, kind):
            raise UnreadableError(f"{member.name} is no {kind.__name__.lower()}, as it is in a file by Caffe")
        return member

    def _blob(self, dataset: Any) -> Blob:
        if dataset.external or dataset.is_virtual:
            raise UnreadableError(f"{dataset.name} lies in another file; such files are not opened")
        if dataset.dtype.kind != "f" or dataset.dtype.itemsize not in (2, 4, 8):
            hint = "Convert the net with the float weights that it was quantised from."
            raise UnsupportedError(f"{dataset.name} holds {dataset.dtype}, no floats", hint=hint)
        if dataset.shape is None:
            raise UnreadableError(f"{dataset.name} is empty")
        shape = tuple(int(dim) for dim in dataset.shape)
        encoding = {"<f2": Encoding.FLOAT16, "<f4": Encoding.FLOAT32, "<f8": Encoding.FLOAT64}.get(dataset.dtype.str)
        offset = dataset.id.get_offset()
        if encoding is None or offset is None:
            return self._decoded(dataset)
        if offset + dataset.nbytes > self._size:
            raise UnreadableError(f"{dataset.name} ends at byte {offset + dataset.nbytes}, the file at {self._size}")
        return Blob(shape, False, encoding, (Span(self._path, offset, int(dataset.nbytes)),))

    def _decoded(self, dataset: Any) -> Blob:
        plist = dataset.id.get_create_plist()
        for index in range(plist.get_nfilters()):
            number = plist.get_filter(index)[0]
            if number not in _FILTERS:
                raise UnreadableError(f"{dataset.name} is compressed by the HDF5 plug-in {number}, which is not loaded")
        self._budget -= int(dataset.nbytes)
        if self._budget < 0:
            raise ResourceLimitError(f"the file would unpack to more than {_RATIO} times its {self._size} bytes")
        return Blob.of(np.asarray(dataset[()]))
