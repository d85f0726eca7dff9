"""SpatialTransformer with ``st_param`` (st_layer.cpp of the Spatial Transformer Networks fork, also in OpenVINO's)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

_THETA = tuple(f"theta_{row}_{column}" for row in (1, 2) for column in (1, 2, 3))
_OTHER_DIALECTS = ("de_transform", "mirror", "rotate", "operation")


def _theta(layer: Layer, given: Fields, predicted: Array) -> Array:
    """(N, 2, 3): what ``theta_i_j`` fixes, the rest from the second bottom in order."""
    rest = iter(predicted.reshape(len(predicted), -1).T)
    fixed = [given.number(name, 0) if given.has(name) else None for name in _THETA]
    if sum(value is None for value in fixed) > predicted[0].size:
        raise InvalidNetError("SpatialTransformer's second bottom has too few numbers")
    rows = [next(rest) if value is None else np.full(len(predicted), value, layer.dtype) for value in fixed]
    return np.stack(rows, axis=1).reshape(-1, 2, 3)


def spatial_transformer(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SpatialTransformer``: bilinear samples at an affine grid, zero outside.

    Rows come first: theta's first line gives the row. Output cell i of n stands at 2i/n - 1, and -1…1 spans 0…size.
    """
    expect(layer, bottoms, 2)
    given, (image, predicted) = fields(layer, "st_param"), bottoms
    if any(given.has(name) for name in _OTHER_DIALECTS):
        raise UnsupportedError("this SpatialTransformer is another fork's")
    if given.word("transform_type", "affine") != "affine" or given.word("sampler_type", "bilinear") != "bilinear":
        raise InvalidNetError("SpatialTransformer only knows transform_type affine and sampler_type bilinear")
    h, w = given.integer("output_H", image.shape[2]), given.integer("output_W", image.shape[3])
    row, column = np.mgrid[:h, :w]
    grid = np.stack([row / h * 2 - 1, column / w * 2 - 1, np.ones((h, w))]).astype(layer.dtype)
    where = np.einsum("nij,jhw->nihw", _theta(layer, given, predicted), grid)
    y, x = ((where[:, axis] + 1) / 2 * image.shape[2 + axis] for axis in (0, 1))
    return [_sample(image, y, x)]


def _sample(image: Array, y: Array, x: Array) -> Array:
    """Bilinear; neighbours outside the image count as zero."""
    top = np.zeros((*image.shape[:2], *y.shape[1:]), image.dtype)
    batch = np.arange(len(image))[:, None, None]
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = np.floor(y) + dy, np.floor(x) + dx
        share = np.maximum(1 - np.abs(y - row), 0) * np.maximum(1 - np.abs(x - column), 0)
        inside = (row >= 0) & (row < image.shape[2]) & (column >= 0) & (column < image.shape[3])
        cell = (np.where(inside, place, 0).astype(np.int64) for place in (row, column))
        values = image[batch, :, next(cell), next(cell)].transpose(0, 3, 1, 2)
        top += np.where(inside, share, 0)[:, None] * values
    return top
