"""PriorBox of FaceBoxes (prior_box_layer.cpp of its fork): boxes of fixed sizes, several of each to a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import require
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

F32 = np.float32


@dataclass(frozen=True, slots=True)
class Density:
    """The boxes of one fixed size and one aspect ratio: so many to a cell, down and across.

    Attributes:
        size: cut to an integer, in pixels, from which the places in the cell are computed.
        across, down: the boxes' sides in pixels.
        count: boxes in a line of the cell.
    """

    size: int
    across: float
    down: float
    count: int

    @property
    def per_cell(self) -> int:
        """So many boxes."""
        return self.count**2

    def corners(self, y: Array, x: Array, image: tuple[int, int]) -> Array:
        """Corners relative to the picture (rows, columns, count², 4), float32, rounded as the fork does it.

        Args:
            y: centres of the cells' rows in pixels, float32.
            x: centres of their columns.
            image: height and width of the picture.
        """
        centre_y, centre_x = self._places(y)[:, None, :, None], self._places(x)[None, :, None, :]
        low = (centre_x - self.across / 2) / image[1], (centre_y - self.down / 2) / image[0]
        high = (centre_x + self.across / 2) / image[1], (centre_y + self.down / 2) / image[0]
        # Whatever `clip` says: near corners are at least 0, far ones at most 1.
        ends = [np.maximum(end, 0) for end in low] + [np.minimum(end, 1) for end in high]
        corners = np.stack(np.broadcast_arrays(*ends), axis=-1).astype(F32)
        return corners.reshape(len(y), len(x), self.count**2, 4)

    def _places(self, centres: Array) -> Array:
        """(cells, count): Caffe's halves of integers are integers, and what follows is double and rounded to float."""
        shift = self.size // self.count
        near = (centres - F32(self.size // 2)).astype(np.float64)
        places = near[:, None] + shift / 2 + np.arange(self.count) * shift
        return places.astype(F32).astype(np.float64)


def densities(p: Any, ratios: Sequence[float]) -> tuple[Density, ...]:
    """The boxes of a cell in Caffe's order.

    Args:
        p: ``prior_box_param``.
        ratios: aspect ratios other than 1.

    Raises:
        InvalidNetError: what the fork checks, or counts in another manner than it writes.
    """
    require(not p.min_size and not p.max_size, "FaceBoxes' PriorBox takes fixed_size or min_size, not both")
    told = f"there are {len(p.fixed_size)} fixed_size but {len(p.density)} density"
    require(len(p.density) == len(p.fixed_size), told)
    require(all(0 < size <= INT_MAX for size in p.fixed_size), f"fixed_size must be above 0 and at most {INT_MAX}")
    require(all(1 <= d <= INT_MAX and d == int(d) for d in p.density), "density must be a whole number above 0")
    require(
        not p.fixed_ratio or not p.aspect_ratio,
        "fixed_ratio and aspect_ratio are given together; FaceBoxes takes either",
    )
    # With more the fork makes room for fewer boxes than it writes.
    require(len(p.fixed_ratio) <= 1, f"FaceBoxes' PriorBox miscounts the boxes of {len(p.fixed_ratio)} fixed_ratio")
    require(all(ratio > 0 for ratio in p.fixed_ratio), "fixed_ratio must be above 0")
    found = []
    for size, count in zip(p.fixed_size, p.density, strict=True):
        if not p.fixed_ratio:
            found.append(Density(int(size), float(int(size)), float(int(size)), int(count)))
        for ratio in p.fixed_ratio or ratios:
            root = np.sqrt(F32(ratio))
            found.append(Density(int(size), float(F32(size) * root), float(F32(size) / root), int(count)))
    return tuple(found)
