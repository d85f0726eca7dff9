"""Resampling of a plane by one matrix for its rows and one for its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter

    Matrix = np.ndarray[Any, Any]


def by_matrices(e: Emitter, x: str, rows: Matrix, columns: Matrix) -> str:
    """``rows @ plane @ columns.T`` for every plane of ``x``.

    Args:
        e: where the nodes go.
        x: (…, height, width).
        rows: (new height, height).
        columns: (new width, width).
    """
    value = e.op("MatMul", x, e.constant(columns.T, "columns"))
    return str(e.op("MatMul", e.constant(rows, "rows"), value))


def cubic(distance: Matrix) -> Matrix:
    """The weights of cubic convolution with a = -1/2 (Keys)."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    weights: Matrix = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return weights


def linear(distance: Matrix) -> Matrix:
    """A triangle of width 2."""
    weights: Matrix = np.maximum(0.0, 1 - np.abs(distance))
    return weights
