"""Outputs of layers that jump: indices, masks, choices, detections. They must agree, order among equals aside.

Such a layer is run on the runtime's own bottoms where they are shown. Where it chooses differently in float32 and in
float64, or on bottoms that are off by their noise (where the runtime's are not shown), either choice is right: number by
number, and for detections row by row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.compare import Deviation, compare
from caffe_bn_convert.verify.tolerance import ROUNDOFF, SPECK, TINY, Noise, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.tolerance import Array

EXACTLY = Rule(atol=0.0, rtol=0.0)

COLUMNS = 7
"""A detection: image, label, score and four corners (detection_output_layer.cpp)."""

CORNERS = slice(3, COLUMNS)

MOST = 0.9
"""The ninth decile over the detections stands for the noise of a column: the few that are chosen differently do not."""

SPECKS = (1e-6, 3e-6, 1e-5)
"""Sides, of pictures of side 1, below which a box is a speck; the next one where by the first the runtime has others."""

ALIKE = 1e-3
"""Rows as near as this are each other's, and no nearer one is looked for."""


def agree(actual: Array, choices: Sequence[Array], rule: Rule) -> Deviation:
    """Compare what a layer that jumps gave with what the oracle's may give.

    Whole numbers must be equal. Other numbers that such a layer computes (a box, an average) may differ by noise.

    Args:
        actual: the runtime's.
        choices: the oracle's, all of them right: first in float64, then in float32, then any others.
        rule: what may differ where the numbers are not whole.
    """
    exact, rounded, *_ = choices
    if actual.ndim == 4 and actual.shape[-1] == exact.shape[-1] == COLUMNS:
        return _detections(actual, choices, rule)
    if actual.shape != exact.shape:
        return compare(actual, exact, rounded, rule)
    if _whole(exact):
        return compare(actual, *(_nearest(actual, choices),) * 2, EXACTLY)
    tries = [compare(actual, exact, rounded, rule), compare(actual, _nearest(actual, choices), rounded, rule)]
    return min(tries, key=lambda deviation: deviation.ratio)


def _whole(value: Array) -> bool:
    finite = value[np.isfinite(value)]
    return bool(np.all(finite == np.rint(finite)))


def _nearest(actual: Array, choices: Sequence[Array]) -> Array:
    """Number by number the choice that is nearest."""
    nearest = np.asarray(choices[0], np.float64)
    for choice in choices[1:]:
        if choice.shape == nearest.shape:
            nearer = _off(actual, choice) < _off(actual, nearest)
            nearest = np.where(nearer, choice, nearest)
    return nearest


def _detections(actual: Array, choices: Sequence[Array], rule: Rule) -> Deviation:
    """Row by row, each beside the nearest row of any choice that has as many."""
    exact, rounded, *_ = choices
    places, tables = _without_specks(actual.reshape(-1, COLUMNS), [choice.reshape(-1, COLUMNS) for choice in choices])
    rows = actual.reshape(-1, COLUMNS)[places]
    if not tables:
        return compare(actual, exact, rounded, rule)
    paired = np.stack([_paired(table, rows) for table in tables]).astype(np.float64)
    best = np.argmin(_off(rows, paired).sum(axis=-1), axis=0)
    nearest = paired[best, np.arange(len(rows))]
    unit = _unit(paired, nearest)
    found = compare(rows.T[None], *(nearest.T[None],) * 2, rule, unit)
    return replace(found, index=(0, 0, int(places[found.index[2]]), found.index[1])) if found.index else found


def _without_specks(rows: Array, tables: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Which rows are compared, and of the tables those that have as many.

    Specks and boxes without end do not count, if there are others. Whether such a box overlaps itself, and so drops its
    other classes, hangs on the last bit of where it is; a net that gets numbers it was not made for is full of them.
    """
    found = np.arange(len(rows)), [table for table in tables if len(table) == len(rows)]
    for least in SPECKS if _seen(tables[0], SPECKS[-1]).any() else ():
        seen = _seen(rows, least)
        alike = [table[shown] for table in tables for shown in [_seen(table, least)] if shown.sum() == seen.sum()]
        found = np.flatnonzero(seen), alike
        if alike:
            break
    return found


def _seen(rows: Array, least: float) -> Array:
    """The boxes with both sides longer than this, and than what their corners are rounded by; finite ones."""
    low, high = np.asarray(rows[:, 3:5], np.float64), np.asarray(rows[:, 5:], np.float64)
    with np.errstate(invalid="ignore"):
        side = np.abs(high - low)
        bound = least * np.maximum(1, np.maximum(np.abs(low), np.abs(high)))
        return np.asarray((np.isfinite(side) & (side > bound)).all(axis=1))


def _unit(paired: Array, nearest: Array) -> Noise:
    """The noise of each column: (1, COLUMNS). A corner is a sum of the others: it may be 0 and have their roundings."""
    with np.errstate(invalid="ignore"):
        off = np.nan_to_num(np.abs(paired - nearest), posinf=0).max(axis=0)
    largest = np.nan_to_num(np.abs(nearest), posinf=0).max(axis=0, initial=0)
    largest[CORNERS] = largest[CORNERS].max()
    noise = np.quantile(off, MOST, axis=0) if len(off) else 0 * largest
    return Noise((noise + ROUNDOFF * largest + SPECK * largest.max() + TINY)[None], largest[None])


def _paired(table: Array, rows: Array) -> Array:
    """The rows of ``table`` in the order of ``rows``, each beside the one that it is nearest to."""
    order = np.arange(len(table))
    left = np.flatnonzero((_off(table, rows) > ALIKE * (1 + np.abs(rows))).any(axis=-1)).tolist()
    for row in list(left):
        nearest = int(np.argmin(_off(table[left], rows[row]).sum(axis=-1)))
        order[row] = left.pop(nearest)
    return np.asarray(table[order])


def _off(a: Array, b: Array) -> Array:
    """How far apart, in float64; what is no number is near to its like and far from all else."""
    with np.errstate(invalid="ignore"):
        off = np.abs(np.asarray(a, np.float64) - b)
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.asarray(np.where(alike, 0.0, np.nan_to_num(off, nan=1e30, posinf=1e30)))
