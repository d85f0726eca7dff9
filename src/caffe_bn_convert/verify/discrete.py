"""Outputs of layers that jump: indices, masks, choices, detections. They must agree, order among equals aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.compare import Deviation, compare
from caffe_bn_convert.verify.tolerance import Rule

if TYPE_CHECKING:
    from caffe_bn_convert.verify.tolerance import Array

EXACTLY = Rule(atol=0.0, rtol=0.0)


def agree(actual: Array, exact: Array, rounded: Array, rule: Rule) -> Deviation:
    """Compare what a layer that jumps gave with what the oracle's gives on the same bottoms.

    Whole numbers must be equal. Other numbers that such a layer computes (a box, an average) may differ by noise. Where
    the oracle itself chooses differently in float32 and in float64, either choice is right. Rows of detections may
    stand in another order where their scores are equal.
    """
    if actual.shape != exact.shape:
        return compare(actual, exact, rounded, rule)
    exactly = EXACTLY if _whole(exact) else rule
    tries = [compare(actual, exact, rounded, exactly)]
    if not tries[0].passed:
        tries.append(compare(actual, rounded.astype(np.float64), rounded, exactly))
    if not tries[-1].passed and actual.ndim == 4 and actual.shape[-1] == 7:
        tries.append(compare(_paired(actual, exact), exact, rounded, rule))
    return min(tries, key=lambda deviation: deviation.ratio)


def _whole(value: Array) -> bool:
    finite = value[np.isfinite(value)]
    return bool(np.all(finite == np.rint(finite)))


def _paired(actual: Array, exact: Array) -> Array:
    """Rows of detections in the order of the rows of ``exact`` that they are nearest to."""
    rows, wanted = list(actual.reshape(-1, 7)), exact.reshape(-1, 7)
    paired = []
    for row in wanted:
        nearest = int(np.argmin([_distance(other, row) for other in rows]))
        paired.append(rows.pop(nearest))
    return np.asarray(paired).reshape(actual.shape)


def _distance(a: Array, b: Array) -> float:
    """Between two rows; what is no number is near to its like and far from all else."""
    with np.errstate(invalid="ignore"):
        off = np.abs(np.asarray(a, np.float64) - b)
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.where(alike, 0.0, np.nan_to_num(off, nan=1e30, posinf=1e30)).sum())
