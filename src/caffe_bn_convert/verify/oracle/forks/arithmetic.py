"""Layers of forks that combine several bottoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def axpy(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Axpy`` of SENet (axpy_layer.cpp): a·x + y with one factor for each image and channel."""
    expect(layer, bottoms, 3)
    a, x, y = bottoms
    if a.shape[:2] != x.shape[:2] or a.size != x.shape[0] * x.shape[1] or x.shape != y.shape:
        raise InvalidNetError(f"Axpy takes a (N, C), x and y alike, not {a.shape}, {x.shape} and {y.shape}")
    return [a.reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * x + y]
