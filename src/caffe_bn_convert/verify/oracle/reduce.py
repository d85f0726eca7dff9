"""Reduction and ArgMax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .layer import canonical, expect, matrix

if TYPE_CHECKING:
    from .layer import Array, Blobs, Layer, Rule


def reduction(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """reduction_layer.cpp: ``axis`` and all axes behind it, then times ``coeff``."""
    expect(layer, bottoms, 1)
    p = layer.parameter.reduction_param
    operation = p.DESCRIPTOR.fields_by_name["operation"].enum_type.values_by_number[p.operation].name
    axis = canonical(p.axis, bottoms[0].ndim)
    shape = bottoms[0].shape[:axis]
    x = bottoms[0].reshape(*shape, math.prod(bottoms[0].shape[axis:]))
    if operation == "ASUM":
        x = np.abs(x)
    elif operation == "SUMSQ":
        x = np.square(x)
    total = x.mean(-1) if operation == "MEAN" else x.sum(-1)
    return [total * p.coeff]


def arg_max(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """argmax_layer.cpp: indices, values or both of the ``top_k`` greatest in falling order; of equals the LAST first.

    Along ``axis``: indices, or with ``out_max_val`` values, in its place. Without: each item is flattened, the top is
    (N, 1 or 2, top_k) and has at least 3 axes and as many as the bottom; row 1 holds the values.
    """
    expect(layer, bottoms, 1)
    x, p = bottoms[0], layer.parameter.argmax_param
    if p.HasField("axis"):
        axis = canonical(p.axis, x.ndim)
        index, value = _greatest(np.moveaxis(x, axis, -1), p.top_k)
        return [np.moveaxis(value if p.out_max_val else index.astype(x.dtype), -1, axis)]
    index, value = _greatest(matrix(x, 1), p.top_k)
    rows = np.stack([index.astype(x.dtype), value][: 2 if p.out_max_val else 1], 1)
    return [rows.reshape(*rows.shape, *(1,) * (max(3, x.ndim) - 3))]


def _greatest(x: Array, count: int) -> tuple[Array, Array]:
    """Indices and values along the last axis, sorted by (value, index), greatest first."""
    size = x.shape[-1]
    if not 1 <= count <= size:
        raise InvalidNetError(f"top_k {count} of {size} values")
    order = size - 1 - np.argsort(-x[..., ::-1], axis=-1, kind="stable")[..., :count]
    return order, np.take_along_axis(x, order, -1)


LAYERS: dict[str, Rule] = {"ArgMax": arg_max, "Reduction": reduction}

DISCONTINUOUS = frozenset({"ArgMax"})
