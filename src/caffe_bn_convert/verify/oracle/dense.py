"""InnerProduct and Embed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .filler import blob, fill, weight
from .layer import canonical, expect, matrix

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule

BLOCK_BYTES = 64 << 20
"""At most so many bytes of weights are held in the wider dtype at once."""


def inner_product(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """inner_product_layer.cpp: all axes from ``axis`` on become N; weights (N, K), or (K, N) with ``transpose``."""
    expect(layer, bottoms, 1, 3)
    x, p = bottoms[0], layer.parameter.inner_product_param
    axis = canonical(p.axis, x.ndim)
    if len(bottoms) > 1:
        return [_given(x, axis, bottoms[1:], p)]
    k, n = math.prod(x.shape[axis:]), p.num_output
    shape = (k, n) if p.transpose else (n, k)
    stored = blob(blobs, 0, shape)
    w = fill(p.weight_filler, shape) if stored is None else stored
    y = _product(matrix(x, axis), w if p.transpose else w.T)
    if p.bias_term:
        y += weight(layer, blobs, 1, (n,), p.bias_filler)
    return [y.reshape(*x.shape[:axis], n)]


def _given(x: Array, axis: int, rest: list[Array], p: Any) -> Array:
    """training_toolbox_caffe's: the weights are the second bottom, (N, …), and a bias the third."""
    w, biases = rest[0], rest[1:]
    if p.transpose or p.bias_term != bool(biases):
        raise InvalidNetError("an InnerProduct with bottoms for weights has no transpose, and a third with bias_term")
    y = _product(matrix(x, axis), matrix(w, 1).T)
    for bias in biases:
        y += bias.reshape(-1)
    return y.reshape(*x.shape[:axis], len(w))


def _product(x: Array, w: Array) -> Array:
    """``x @ w`` in the dtype of ``x``, a few columns of ``w`` at a time: fc6 of VGG would take 822 MB as float64."""
    y = np.empty((x.shape[0], w.shape[1]), x.dtype)
    step = max(1, BLOCK_BYTES // (w.shape[0] * x.itemsize))
    for start in range(0, w.shape[1], step):
        y[:, start : start + step] = x @ w[:, start : start + step].astype(x.dtype)
    return y


def embed(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """embed_layer.cpp: row ``int(x)`` of the weights (input_dim, num_output), plus the bias."""
    expect(layer, bottoms, 1)
    p = layer.parameter.embed_param
    index = bottoms[0].astype(np.int64)
    if index.size and not (index.min() >= 0 and index.max() < p.input_dim):
        raise InvalidNetError(f"an index into Embed is outside of 0 … {p.input_dim - 1}")
    y = weight(layer, blobs, 0, (p.input_dim, p.num_output), p.weight_filler)[index]
    return [y + weight(layer, blobs, 1, (p.num_output,), p.bias_filler) if p.bias_term else y]


LAYERS: dict[str, Rule] = {"Embed": embed, "InnerProduct": inner_product}

DISCONTINUOUS = frozenset({"Embed"})
