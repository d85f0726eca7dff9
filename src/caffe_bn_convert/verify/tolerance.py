"""How far two correct programs may differ: float32's own rounding noise, measured on the very net and input.

The oracle computes every value twice, in float64 and in float32. Their difference is the noise that one legal order of
float32 operations makes; another legal order, a runtime's, makes noise of the same size but not the same numbers. So
the tolerance is a multiple of that noise, never a fixed number: it grows where the net is ill-conditioned and shrinks
where it is not.

Noise is measured for each row of the batch and each channel apart (a *group*), so that a large channel does not hide a
small one. A group's noise is the largest of three numbers:

- the largest noise that was seen in it;
- the root mean square over its row, the less the more numbers the group has: a channel of a fully connected layer has
  one, and a channel that is zero nearly everywhere, or the same everywhere, has few. From :data:`ENOUGH` on it stands
  for itself;
- the noise that is usual for a number of its size: the ninth decile over the row's channels of noise by largest number.
  A channel that is next to nothing beside the others (:data:`FAINT`) says nothing here: dead, but for a little noise, it
  would make the noise of all as large as their numbers.

One rounding of the group's largest number is added; the row's largest number stands in where the group has few. So is
a :data:`SPECK` of the value's largest number: where Caffe's float32 has 0, another program may have 1e-26.
:data:`FACTOR` times that is the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from caffe_bn_convert.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

FACTOR = 32.0
"""Tolerance in units of the noise; how it was found: docs/verification.md, bench/calibrate.py."""

ROUNDOFF = 2.0**-24
"""Half a unit in the last place of a float32 between 1 and 2."""

SPECK = 2.0**-40
"""Numbers so small beside the value's largest do not matter."""

ENOUGH = 64
"""With so many different numbers other than 0 a group needs no others to tell its noise."""

FAINT = 1 / 16
"""A channel whose largest number is less than this times the row's does not tell what noise is usual."""

CHUNK = 1 << 18
"""So many numbers are compared at once; the memory for it stays in the processor's cache."""

TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Rule:
    """What may differ.

    Attributes:
        factor: times the noise.
        atol, rtol: numbers that take the noise's place, if either is given: ``atol + rtol * |expected|``.

    Raises:
        UsageError: a number that everything or nothing is within: below 0, infinite, or none at all.
    """

    factor: float = FACTOR
    atol: float | None = None
    rtol: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("factor", self.factor), ("atol", self.atol), ("rtol", self.rtol)):
            if value is not None and not 0 <= value < np.inf:
                raise UsageError(f"{value} is no tolerance", hint=f"{name} takes a number from 0 on")

    @property
    def given(self) -> bool:
        """Whether a user's own numbers are asked for."""
        return self.atol is not None or self.rtol is not None


@dataclass(frozen=True, slots=True)
class Noise:
    """Float32's rounding noise in one value of the net, group by group (row by row and channel by channel).

    Attributes:
        unit: (rows, channels): the size of the noise, with one rounding of the group's largest number.
        largest: (rows, channels): the largest finite number, without its sign.
    """

    unit: Array
    largest: Array


def measure(exact: Array, rounded: Array) -> Noise:
    """The noise of a value that the oracle computed in float64 (``exact``) and in float32 (``rounded``)."""
    rows, channels, own = sizes(exact.shape)
    peak, square, largest, count = (np.zeros(rows * channels) for _ in range(4))
    z, y = exact.reshape(rows * channels, own), rounded.reshape(rows * channels, own)
    for part in chunks(rows * channels, own):
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.subtract(z[part], y[part], dtype=np.float64)
        _finite(off)
        square[part] = np.einsum("gi,gi->g", off, off)
        np.abs(off, out=off).max(axis=1, initial=0, out=peak[part])
        np.abs(z[part], out=off)
        _finite(off)
        off.max(axis=1, initial=0, out=largest[part])
        count[part] = np.count_nonzero(off, axis=1) * _different(off)
    return _united(*(a.reshape(rows, channels) for a in (peak, square, largest, count)))


def _united(peak: Array, square: Array, largest: Array, count: Array) -> Noise:
    if not peak.size:
        return Noise(peak, largest)
    row = square.sum(axis=1, keepdims=True) / np.maximum(count.sum(axis=1, keepdims=True), 1)
    borrowed = np.maximum(0, 1 - count / ENOUGH)
    relative = peak / np.maximum(largest, np.maximum(peak, TINY))
    faint = largest < FAINT * largest.max(axis=1, keepdims=True)
    usual = np.quantile(np.where(faint, 0, relative), 0.9, axis=1, keepdims=True)
    size = np.maximum(largest, borrowed * largest.max(axis=1, keepdims=True))
    noise = np.maximum(np.maximum(peak, np.sqrt(borrowed * row)), usual * largest)
    return Noise(noise + ROUNDOFF * size + SPECK * largest.max() + TINY, largest)


def _different(values: Array) -> Array:
    """Which part of the numbers other than 0 of each group is different from the others, by a sample of them.

    Where an image is the same all over, so is its noise: many pixels tell no more of it than one.
    """
    with np.errstate(over="ignore"):
        sample = np.sort(values[:, :: max(1, values.shape[1] // ENOUGH)].astype(np.float32), axis=1)
    _finite(sample)
    different = np.count_nonzero(np.diff(sample, axis=1, prepend=0), axis=1)
    return np.asarray(different / np.maximum(np.count_nonzero(sample, axis=1), 1))


def _finite(values: Array) -> None:
    """Put 0 for what is no number."""
    if not np.isfinite(values).all():
        values[~np.isfinite(values)] = 0


def sizes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows, channels and numbers in a channel of one row; of a vector every number is a channel."""
    if len(shape) < 2:
        return 1, int(np.prod(shape, dtype=np.int64)), 1
    return shape[0], shape[1], int(np.prod(shape[2:], dtype=np.int64))


def spread(groups: Array, shape: tuple[int, ...]) -> Array:
    """A number for each (row, channel), shaped so that it broadcasts to ``shape``."""
    return groups.reshape(shape) if len(shape) < 2 else groups.reshape(*shape[:2], *(1,) * (len(shape) - 2))


def chunks(groups: int, own: int) -> Iterator[slice]:
    """The groups in parts of about CHUNK numbers."""
    step = max(1, CHUNK // max(own, 1))
    return (slice(start, start + step) for start in range(0, groups, step))
