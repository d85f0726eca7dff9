"""What a rule of the oracle is given, and the few things that all rules do.

A *rule* renders one Caffe layer type: it takes the layer, the values of its bottoms and its blobs, and returns the
values of its tops. Each family module of this package ends in ``LAYERS``, a dict from layer type to rule, and names in
``DISCONTINUOUS`` those types whose output jumps under the smallest noise in the input (an index, a mask, a choice).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as a rule sees it.

    Attributes:
        parameter: the ``LayerParameter`` message (today's form).
        text: its block of the prototxt, or None; has the fields of forks that the message does not know.
        phase: ``"TEST"`` or ``"TRAIN"``: the layer's own if it sets one, else the net's.
        dtype: what to compute in; all bottoms have it, all tops get it.
        tops: how many tops are wanted.
    """

    parameter: Any
    text: Any
    phase: str
    dtype: np.dtype[Any]
    tops: int


Blobs: TypeAlias = Sequence["Array | None"]
"""The layer's blobs as the caffemodel has them: float32, in the file's shape; None where a filler's value stands."""

Rule: TypeAlias = Callable[[Layer, "list[Array]", Blobs], "list[Array]"]
"""``(layer, bottoms, blobs) -> tops``; never writes to its arguments."""


def canonical(axis: int, axes: int) -> int:
    """The axis counted from the front (``Blob::CanonicalAxisIndex``, blob.hpp); InvalidNetError if there is none."""
    if not -axes <= axis < axes:
        raise InvalidNetError(f"axis {axis} is out of range for a blob of {axes} axes")
    return axis % axes


def legacy_shape(x: Array) -> tuple[int, int, int, int]:
    """num, channels, height and width, absent ones 1 (``Blob::LegacyShape``); raises InvalidNetError past four axes."""
    if x.ndim > 4:
        raise InvalidNetError(f"a blob of {x.ndim} axes has no num/channels/height/width: at most 4 axes")
    n, c, h, w = x.shape + (1,) * (4 - x.ndim)
    return n, c, h, w


def matrix(x: Array, axes: int) -> Array:
    """``x`` with the first ``axes`` axes as rows; told in numbers, for a blob without rows leaves nothing to infer from."""
    return x.reshape(math.prod(x.shape[:axes]), math.prod(x.shape[axes:]))


def expect(layer: Layer, bottoms: list[Array], at_least: int, at_most: int | None = None) -> None:
    """Raise InvalidNetError unless the layer has that many bottoms (``at_most`` None: exactly ``at_least``)."""
    most = at_least if at_most is None else at_most
    if not at_least <= len(bottoms) <= most:
        wanted = f"{at_least}" if most == at_least else f"{at_least} to {most}"
        raise InvalidNetError(f"{layer.parameter.type} takes {wanted} bottom blobs, there are {len(bottoms)}")


def unsupported(what: str) -> UnsupportedError:
    """The error for something that Caffe on the CPU, or any rule here, cannot compute."""
    return UnsupportedError(what)
