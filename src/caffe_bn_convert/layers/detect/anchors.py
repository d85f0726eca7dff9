"""The anchors of Faster R-CNN (generate_anchors.py of py-faster-rcnn; proposal_layer.cpp of its C++ forks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

F64 = np.float64


def anchors(base: int, ratios: Sequence[float], scales: Sequence[float]) -> np.ndarray[Any, Any]:
    """Corners (ratios × scales, 4) around the cell at the origin; ratios outside, scales inside.

    A side is ``far - near + 1`` here, and the sides of a ratio are rounded to whole pixels before they are scaled.

    Args:
        base: the side of a cell in pixels.
        ratios: height through width.
        scales: what sides are multiplied by.
    """
    area = float(base * base)
    centre = 0.5 * (base - 1)
    found = []
    for ratio in ratios:
        width = _away(np.sqrt(area / ratio))
        height = _away(width * ratio)
        for scale in scales:
            half = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            found.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return np.array(found, F64).reshape(-1, 4)


def _away(value: Any) -> float:
    """C's ``round``. NumPy, which the Python layer uses, takes halves to even; none occur with the ratios in use."""
    return float(np.floor(value + 0.5))
