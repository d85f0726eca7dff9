"""Layers that join blobs or choose among rows: Eltwise, Concat, Slice, Split, Filter, BatchReindex, Silence."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

from .fields import fields
from .layer import canonical, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule


def eltwise(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """eltwise_layer.cpp: product, weighted sum or maximum of blobs of one shape.

    synopsys-caffe's broadcasts the second bottom over the first one's axes before and behind its own, and has DIV
    and MIN. BLAS's axpy and gemm return at once where the coefficient is 0, whatever the blob holds.
    """
    p = layer.parameter.eltwise_param
    operation = p.DESCRIPTOR.fields_by_name["operation"].enum_type.values_by_number[p.operation].name
    expect(layer, bottoms, 2, 2 if operation == "DIV" else max(2, len(bottoms)))
    if len(p.coeff) not in (0, len(bottoms)) or (p.coeff and operation not in ("SUM", "MAX")):
        raise InvalidNetError(f"{len(p.coeff)} coefficients for a {operation} of {len(bottoms)} bottoms")
    first, *others = bottoms
    others[0] = _spread(first, others[0], fields(layer, "eltwise_param").integer("axis", 0))
    if any(bottom.shape != first.shape for bottom in others):
        raise InvalidNetError(f"Eltwise needs bottoms of one shape, not {[bottom.shape for bottom in bottoms]}")
    if operation == "SUM":
        coeff = list(p.coeff) or [1.0] * len(bottoms)
        terms = (x if c == 1 else x * c for x, c in zip((first, *others), coeff, strict=True) if c != 0)
        return [functools.reduce(np.add, terms, np.zeros_like(first))]
    step: dict[str, Callable[[Array, Array], Array]] = {
        "PROD": np.multiply, "DIV": np.divide,
        "MAX": lambda y, x: np.where(y > x, y, x), "MIN": lambda y, x: np.where(y < x, y, x),
    }  # fmt: skip
    if operation not in step:
        raise UnsupportedError(f"the operation {operation} of Eltwise")
    return [functools.reduce(step[operation], others, first)]


def _spread(first: Array, second: Array, axis: int) -> Array:
    """The second bottom over the first one's axes: its own are those from ``axis`` on."""
    axis = canonical(axis, first.ndim) if first.ndim else 0
    if first.shape[axis : axis + second.ndim] != second.shape:
        raise InvalidNetError(f"a bottom of {second.shape} does not lie on axis {axis} of one of {first.shape}")
    behind = first.ndim - axis - second.ndim
    return np.broadcast_to(second.reshape((*second.shape, *(1,) * behind)), first.shape)


def concat(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """concat_layer.cpp; ``concat_dim`` is the older name of ``axis`` and goes first."""
    p = layer.parameter.concat_param
    axis = _axis(p, "concat_dim", bottoms[0].ndim)
    shapes = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in bottoms}
    if len(shapes) > 1 or any(x.ndim != bottoms[0].ndim for x in bottoms):
        raise InvalidNetError(f"shapes differ beside axis {axis}: {[x.shape for x in bottoms]}")
    return [np.concatenate(bottoms, axis)]


def slices(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """slice_layer.cpp: at the slice points, or into equal parts; ``slice_dim`` is the older name of ``axis``."""
    expect(layer, bottoms, 1)
    x, p = bottoms[0], layer.parameter.slice_param
    axis = _axis(p, "slice_dim", x.ndim)
    points = list(p.slice_point)
    if not points:
        if x.shape[axis] % layer.tops:
            raise InvalidNetError(f"{x.shape[axis]} cells of axis {axis} do not split into {layer.tops} equal parts")
        part = x.shape[axis] // layer.tops
        points = [part * i for i in range(1, layer.tops)]
    edges = [0, *points, x.shape[axis]]
    if len(points) != layer.tops - 1 or any(b <= a for a, b in itertools.pairwise(edges)):
        raise InvalidNetError(f"slice points {points} do not cut {x.shape[axis]} cells into {layer.tops} parts")
    return np.split(x, points, axis)


def _axis(p: Any, old: str, axes: int) -> int:
    return canonical(getattr(p, old) if p.HasField(old) else p.axis, axes)


def split(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """split_layer.cpp: the bottom, once a top."""
    expect(layer, bottoms, 1)
    return bottoms * layer.tops


def silence(_layer: Layer, _bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """silence_layer.cpp: reads and makes nothing."""
    return []


def batch_reindex(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """batch_reindex_layer.cpp: the items that the second bottom names, in its order."""
    expect(layer, bottoms, 2)
    index = bottoms[1].astype(np.int64)
    if index.ndim != 1 or (index.size and not (index.min() >= 0 and index.max() < len(bottoms[0]))):
        raise InvalidNetError(f"the index must be one axis of numbers in 0 … {len(bottoms[0]) - 1}")
    return [bottoms[0][index]]


def select(_layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """filter_layer.cpp: of every bottom but the last, the items where the last is not 0; there may be none."""
    *data, selector = bottoms
    if selector.size != selector.shape[0] or any(len(x) != len(selector) for x in data):
        raise InvalidNetError("the selector must have one number an item")
    chosen = selector.reshape(-1) != 0
    return [x[chosen] for x in data]


LAYERS: dict[str, Rule] = {
    "BatchReindex": batch_reindex,
    "Concat": concat,
    "Eltwise": eltwise,
    "Filter": select,
    "Silence": silence,
    "Slice": slices,
    "Split": split,
}

DISCONTINUOUS = frozenset({"BatchReindex", "Filter"})
