"""Mean images: Caffe's ``.binaryproto`` (one ``BlobProto``), or the ``.npy`` that many examples made of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caffe_bn_convert.caffe.blob import shape_text
from caffe_bn_convert.caffe.blobproto import read_blob
from caffe_bn_convert.caffe.opening import open_raw
from caffe_bn_convert.caffe.wire import Wire
from caffe_bn_convert.caffe.wrongfile import read_head
from caffe_bn_convert.errors import ConversionError, UnreadableError, Where

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

_NPY = b"\x93NUMPY"


def read_mean(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """The mean of a data set: (channels,) or (channels, height, width), in the net's order of channels.

    Raises:
        WrongFileError: there is no such file, or it is empty.
        UnreadableError: it is no mean: damaged, or of another shape.
    """
    place = Path(path)
    head = read_head(place)
    try:
        with open_raw(place) as file:
            array = _npy(file, place) if head.startswith(_NPY) else _binaryproto(file, place)
        return _shaped(array)
    except ConversionError as error:
        error.locate(Where(file=str(path)))
        raise


def _binaryproto(file: BinaryIO, place: Path) -> NDArray[Any]:
    size = place.stat().st_size
    blob = read_blob(Wire(file, size), place, 0, size)
    return blob.read().reshape(blob.shape)


def _npy(file: BinaryIO, place: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file; its header is held against the file's size before memory is taken."""
    forms = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = forms[np.lib.format.read_magic(file)](file)
        count = math.prod(shape)
        if dtype.hasobject or file.tell() + count * dtype.itemsize != place.stat().st_size:
            raise UnreadableError("its header and its size do not agree", hint="Save it again with numpy.save.")
        array = np.frombuffer(file.read(), dtype, count).reshape(shape, order="F" if fortran else "C")
    except (KeyError, ValueError) as error:
        raise UnreadableError(f"is no .npy file that we can read: {error}") from error
    return array


def _shaped(array: NDArray[Any]) -> NDArray[np.float32]:
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[1:] == (1, 1):
        array = array.reshape(-1)
    if array.ndim not in (1, 3) or not array.size or array.dtype.kind not in "fiu":
        raise UnreadableError(
            f"a mean has the shape channels, or channels×height×width; this has {shape_text(array.shape)}",
            hint="Is this the mean.binaryproto or mean.npy of the training set?",
        )
    if not np.isfinite(array).all():
        raise UnreadableError("it holds numbers that are not finite")
    return np.ascontiguousarray(array, np.float32)
