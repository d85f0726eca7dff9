"""``Division`` and ``Combination`` of JAANet: rectangles copied out of a plane, and into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def division(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Division`` (division_layer.cpp): a top for each pair of ``xcoord`` and ``ycoord``."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "division_param"), bottoms[0]
    high, wide = given.integer("height", 0), given.integer("width", 0)
    rows, columns = given.integers("ycoord")[: layer.tops], given.integers("xcoord")[: layer.tops]
    tops = [x[:, :, y : y + high, left : left + wide] for y, left in zip(rows, columns, strict=True)]
    if len(tops) < layer.tops or any(top.shape != (*x.shape[:2], high, wide) for top in tops):
        raise InvalidNetError("Division needs a place inside the plane for each top")
    return tops


def combination(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Combination`` (combination_layer.cpp): the last bottom ends the plane; later bottoms cover earlier ones."""
    given, first = fields(layer, "combination_param"), bottoms[0]
    count = len(bottoms)
    rows, columns = given.integers("ycoord")[:count], given.integers("xcoord")[:count]
    if len(rows) < count or len(columns) < count:
        raise InvalidNetError("Combination needs a place for each bottom")
    top = np.zeros((*first.shape[:2], rows[-1] + bottoms[-1].shape[2], columns[-1] + bottoms[-1].shape[3]), layer.dtype)
    for x, y, left in zip(bottoms, rows, columns, strict=True):
        place = top[:, :, y : y + x.shape[2], left : left + x.shape[3]]
        if place.shape != x.shape:
            raise InvalidNetError(f"a bottom of {x.shape} at ({y}, {left}) sticks out of {top.shape}")
        place[:] = x
    return [top]
