"""The anchors of Faster R-CNN (generate_anchors.py of py-faster-rcnn; proposal_layer.cpp of its C++ forks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

F64 = np.float64


def anchors(
    base: int, ratios: Sequence[float], scales: Sequence[float], *, python: bool = False
) -> np.ndarray[Any, Any]:
    """Corners (ratios × scales, 4) around the cell at the origin; ratios outside, scales inside.

    A side is ``far - near + 1`` here, and the sides of a ratio are rounded to whole pixels before they are scaled.

    Args:
        base: the side of a cell in pixels.
        ratios: height through width.
        scales: what sides are multiplied by.
        python: as NumPy and Python 2 compute it: halves are rounded to even, and where all ratios are integers the
            area is divided without a rest.
    """
    area, rounded = base * base, np.rint if python else _away
    whole = python and all(isinstance(ratio, int) for ratio in ratios)
    centre = 0.5 * (base - 1)
    found = []
    for ratio in ratios:
        width = rounded(np.sqrt(area // ratio if whole else area / ratio))
        height = rounded(width * ratio)
        for scale in scales:
            half = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            found.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return np.array(found, F64).reshape(-1, 4)


def _away(value: Any) -> float:
    """C's ``round``."""
    return float(np.floor(value + 0.5))
