"""Blobs in the shape that a layer needs, from the file or from a deterministic filler (Caffe's filler.hpp)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

if TYPE_CHECKING:
    from .layer import Array, Blobs, Layer


def constant(value: float, shape: tuple[int, ...]) -> Array:
    """``ConstantFiller``: ``value`` everywhere, rounded to float32 as Caffe stores it."""
    return np.full(shape, value, np.float32)


def bilinear(shape: tuple[int, ...]) -> Array:
    """``BilinearFiller``: weights of a deconvolution that interpolates; needs 4 axes and a square kernel."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidNetError(f"the bilinear filler needs a blob of 4 axes with a square kernel, not {shape}")
    width = shape[3]
    half = math.ceil(width / 2)
    centre = (width - 1) / (2 * half)
    line = 1 - np.abs(np.arange(width) / half - centre)
    return np.broadcast_to(np.outer(line, line).astype(np.float32), shape)


def fill(filler: Any, shape: tuple[int, ...]) -> Array:
    """What a ``FillerParameter`` puts into a new blob; raises UnsupportedError for random fillers."""
    if filler.type == "constant":
        return constant(filler.value, shape)
    if filler.type == "bilinear":
        return bilinear(shape)
    raise UnsupportedError(
        f'the weights are missing and their filler "{filler.type}" is random',
        hint="give the caffemodel that has this layer's weights",
    )


def blob(blobs: Blobs, index: int, shape: tuple[int, ...]) -> Array | None:
    """Blob ``index`` as float32 in ``shape``, None if it is missing; raises InvalidNetError for another count."""
    value = blobs[index] if index < len(blobs) else None
    if value is None:
        return None
    if value.size != math.prod(shape):
        raise InvalidNetError(f"blob {index} has shape {value.shape}, the layer needs {shape}")
    return value.reshape(shape)


def weight(layer: Layer, blobs: Blobs, index: int, shape: tuple[int, ...], filler: Any) -> Array:
    """Blob ``index`` in ``shape`` and the layer's dtype; if the file lacks it, what ``filler`` puts there.

    Args:
        layer: gives the dtype.
        blobs: as the rule got them.
        index: which one.
        shape: what Caffe's LayerSetUp gives that blob.
        filler: a ``FillerParameter``, a number for a constant, or None where a missing blob is an error.
    """
    value = blob(blobs, index, shape)
    if value is None and filler is None:
        raise UnsupportedError(f"blob {index} is missing", hint="give the caffemodel that has this layer's weights")
    if value is None:
        value = constant(filler, shape) if isinstance(filler, (int, float)) else fill(filler, shape)
    return value.astype(layer.dtype, copy=False)
