"""PriorBox of synopsys-caffe (its prior_box_layer.cpp): boxes in TensorFlow's or Keras' order, or of sides that are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Array = np.ndarray[Any, Any]
    Sizes = Sequence[tuple[float, float | None]]

F32 = np.float32
FLAGS = ("tf", "keras", "yx_order", "faceboxes")
FIELDS = (*FLAGS, "box_width", "box_height")
"""The fields that only this fork has."""
SMALLEST_OF_TENSORFLOW, INSET = 60, 0.05
"""With ``tf`` the square of this min_size is smaller by this share of the picture on every side."""
FACES = {32: (range(-2, 2), 8), 64: (range(-1, 1), 16)}
"""With ``faceboxes``: min_size → where in each direction its boxes are, and in units of how many pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box of every cell.

    Attributes:
        across, down: its sides in pixels, rounded to float32.
        shift: of its centre, across and down, in pixels.
        inset: by how much of the picture every side is moved inwards.
    """

    across: float
    down: float
    shift: tuple[int, int] = (0, 0)
    inset: float = 0.0

    @property
    def per_cell(self) -> int:
        """It is one."""
        return 1

    def corners(self, y: Array, x: Array, image: tuple[int, int]) -> Array:
        """Corners relative to the picture (rows, columns, 1, 4), float32, rounded as the fork does it.

        Args:
            y: centres of the cells' rows in pixels, float32.
            x: centres of their columns.
            image: height and width of the picture.
        """
        right, lower = ((centre + F32(by)).astype(np.float64) for centre, by in zip((x, y), self.shift, strict=True))
        low = (right - self.across / 2) / image[1] + self.inset, (lower - self.down / 2) / image[0] + self.inset
        high = (right + self.across / 2) / image[1] - self.inset, (lower + self.down / 2) / image[0] - self.inset
        ends = [low[0][None], low[1][:, None], high[0][None], high[1][:, None]]
        return np.stack(np.broadcast_arrays(*ends), axis=-1).astype(F32)[:, :, None]


def is_listed(p: Any) -> bool:
    """Whether ``prior_box_param`` is this fork's."""
    return any(getattr(p, name) for name in FIELDS)


def given_sides(p: Any) -> tuple[Box, ...]:
    """The boxes of ``box_width`` and ``box_height``, which nothing else counts beside."""
    counts = len(p.box_width), len(p.box_height)
    require(counts[0] == counts[1], f"there are {counts[0]} box_width but {counts[1]} box_height")
    require(all(side > 0 for side in (*p.box_width, *p.box_height)), "box_width and box_height must be above 0")
    return tuple(Box(width, height) for width, height in zip(p.box_width, p.box_height, strict=True))


def in_order(p: Any, sizes: Sizes, ratios: Sequence[float]) -> tuple[Box, ...]:
    """The boxes of a cell in the fork's order.

    Args:
        p: ``prior_box_param``.
        sizes: (min_size, max_size) pairs, cut to integers.
        ratios: aspect ratios other than 1, in SSD's order.

    Raises:
        InvalidNetError: the fork makes room for other boxes than it writes.
    """
    if p.faceboxes:
        return _of_faces(p, sizes, ratios)
    found: list[Box] = []
    for small, large in sizes:
        inset = INSET if p.tf and not p.keras and small == SMALLEST_OF_TENSORFLOW else 0.0
        square, mean = [Box(small, small, inset=inset)], []
        if large is not None:
            mean = [Box(*(float(F32(np.sqrt(small * large))),) * 2)]
        others = [_shaped(small, ratio) for ratio in (_of_keras(p) if p.keras else ratios)]
        if p.keras:
            found += mean + square + others
        else:
            found += square + others + mean if p.tf else square + mean + others
    return tuple(found)


def _shaped(small: float, ratio: float) -> Box:
    root = np.sqrt(F32(ratio))
    return Box(float(F32(small) * root), float(F32(small) / root))


def _of_keras(p: Any) -> list[float]:
    """All ratios, then with ``flip`` all their inverses."""
    inverses: Iterable[float] = (float(F32(1.0 / ratio)) for ratio in p.aspect_ratio) if p.flip else ()
    found = [1.0]
    for ratio in (*p.aspect_ratio, *inverses):
        if all(abs(ratio - other) >= 1e-6 for other in found):
            found.append(ratio)
    return found[1:]


def _of_faces(p: Any, sizes: Sizes, ratios: Sequence[float]) -> tuple[Box, ...]:
    """Squares, which end on their last pixel; those of 32 and 64 pixels several to a cell."""
    alone = not p.max_size and not ratios and not (p.tf or p.keras or p.yx_order)
    require(alone, "faceboxes is known with min_size alone: no max_size, aspect_ratio, tf, keras or yx_order")
    found: list[Box] = []
    for small, _ in sizes:
        places, by = FACES.get(int(small), (range(1), 0))
        found += [Box(small - 1, small - 1, (j * by, i * by)) for i in places for j in places]
    room = 21 if len(sizes) == 3 else len(sizes)
    require(len(found) == room, f"faceboxes writes {len(found)} boxes into a cell, but has room for {room}")
    return tuple(found)
