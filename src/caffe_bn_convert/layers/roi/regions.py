"""Where regions and their bins lie, computed in float32 in Caffe's order: rounding decides here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Shapes, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import show, volume

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions as columns, (regions, 1) each.

    Attributes:
        image: the number of the image, int64.
        near: left and upper corner.
        far: right and lower corner.
    """

    image: str
    near: tuple[str, str]
    far: tuple[str, str]


def bins_and_scale(p: Any, *more: str) -> tuple[tuple[int, int], float]:
    """``pooled_h`` and ``pooled_w``, and ``spatial_scale``; the fork's other fields may be there, too.

    Raises:
        InvalidNetError: there are no bins.
    """
    only(p, ("pooled_h", "pooled_w", "spatial_scale", *more))
    require(p.pooled_h > 0 and p.pooled_w > 0, "it needs pooled_h and pooled_w above 0")
    return (p.pooled_h, p.pooled_w), p.spatial_scale


def check_regions(bottoms: Shapes) -> None:
    """Refuse bottoms that are no feature map and no rows of five."""
    require(len(bottoms[0]) == 4, f"it takes 4-D blobs, its first bottom has {len(bottoms[0])} axes")
    fits = len(bottoms[1]) >= 1 and volume(bottoms[1][1:]) == 5
    require(fits, f"regions must be rows (image, x1, y1, x2, y2), its second bottom is {show(bottoms[1])}")


def rows_of(e: Emitter, rois: Tensor) -> str:
    """The regions as (regions, 5)."""
    return e.reshape(rois.name, rois.shape, (rois.shape[0], 5))


def padded(e: Emitter, rois: Tensor, ratio: float) -> Tensor:
    """The regions made wider and higher on each side by ``ratio`` of what they are; the last pixel belongs to them."""
    if not ratio:
        return rois
    image, near, far = e.split(rows_of(e, rois), [1, 2, 2], 1)
    side = e.op("Add", e.op("Sub", far, near), e.constant(1.0, "one"))
    pad = e.op("Mul", side, e.constant(ratio, "pad_ratio"))
    rows = e.op("Concat", image, e.op("Sub", near, pad), e.op("Add", far, pad), axis=1)
    return replace(rois, name=rows, shape=(rois.shape[0], 5))


def columns_of(e: Emitter, rois: Tensor) -> Regions:
    """The columns of the regions."""
    image, left, top, right, bottom = e.split(rows_of(e, rois), [1] * 5, 1)
    return Regions(e.op("Cast", image, to=INT64), (left, top), (right, bottom))


def rounded(e: Emitter, x: str) -> str:
    """C's ``round``: halves go away from zero. ONNX's Round takes them to the even neighbour."""
    size = e.op("Abs", x)
    whole = e.op("Floor", size)
    up = e.op("GreaterOrEqual", e.op("Sub", size, whole), e.constant(0.5, "half"))
    return str(e.op("Mul", e.op("Add", whole, e.op("Cast", up, to=FLOAT)), e.op("Sign", x)))


@dataclass(frozen=True, slots=True)
class Bins:
    """The first cell of each bin along one axis and the first behind it, (regions, bins) of float32, clipped to the map."""

    low: str
    high: str


def bins_of(e: Emitter, start: str, extent: str, count: int, limit: int, *, moved: bool) -> Bins:
    """Divide ``extent`` cells from ``start`` on.

    Args:
        e: where the nodes go.
        start: (regions, 1) of float32.
        extent: the same.
        count: how many bins.
        limit: the size of the map.
        moved: ``start`` is added after the rounding, as ROIPooling does, and not before it, as PSROIPooling does.
    """
    step = e.op("Div", extent, e.constant(float(count), "bins"))
    edges = []
    for kind, first in (("Floor", 0), ("Ceil", 1)):
        numbers = e.constant(np.arange(first, first + count)[None], "numbers")
        edge = e.op("Mul", numbers, step)
        edge = e.op("Add", e.op(kind, edge), start) if moved else e.op(kind, e.op("Add", edge, start))
        edges.append(e.op("Clip", edge, e.constant(0.0, "zero"), e.constant(float(limit), "limit")))
    return Bins(*edges)
