"""One value of a runtime beside the oracle's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.tolerance import TINY, Rule, chunks, measure, sizes

if TYPE_CHECKING:
    from caffe_bn_convert.verify.tolerance import Array, Noise


BY_NOISE = Rule()


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a value is off, where it is worst.

    Attributes:
        ratio: error by tolerance at the worst place; above 1 the value is wrong.
        error: the error there.
        tolerance: what was allowed there.
        noise: float32's rounding noise there.
        index: the place.
        actual: the runtime's number.
        expected: the oracle's number.
        wrong: how many numbers are off by more than their tolerance.
        count: how many numbers there are.
        largest: the largest finite number that was expected, without its sign.
        what: what is wrong in words, where numbers do not tell (another shape, NaN); empty otherwise.
    """

    ratio: float = 0.0
    error: float = 0.0
    tolerance: float = 0.0
    noise: float = 0.0
    index: tuple[int, ...] = ()
    actual: float = 0.0
    expected: float = 0.0
    wrong: int = 0
    count: int = 0
    largest: float = 0.0
    what: str = ""

    @property
    def passed(self) -> bool:
        """Whether every number is within its tolerance."""
        return not self.wrong and not self.what


def compare(
    actual: Array, exact: Array, rounded: Array, rule: Rule = BY_NOISE, noise: Noise | None = None
) -> Deviation:
    """Compare a runtime's value with the oracle's.

    Where the oracle has no finite number, the runtime must have none of the same kind either. Where float32 overflows
    and float64 does not, either answer is right, since Caffe computes in float32.

    Args:
        actual: the runtime's.
        exact, rounded: the oracle's in float64 and float32.
        rule: what may differ.
        noise: that of the value, if it was measured already.
    """
    if actual.shape != exact.shape:
        return Deviation(np.inf, what=f"its shape is {told(actual.shape)}, not {told(exact.shape)}", count=exact.size)
    if not exact.size:
        return Deviation()
    noise = noise or measure(exact, rounded)
    rows, channels, own = sizes(exact.shape)
    y, z, r = (np.asarray(value).reshape(rows * channels, own) for value in (actual, exact, rounded))
    tolerance = rule.factor * noise.unit.reshape(-1, 1)
    worst, found, wrong = -1.0, (0, 0), 0
    for part in chunks(rows * channels, own):
        error = _errors(y[part], z[part], r[part])
        if rule.given:
            error /= (rule.atol or 0.0) + (rule.rtol or 0.0) * np.nan_to_num(np.abs(z[part])) + TINY
        else:
            error /= tolerance[part]
        peak = error.max(axis=1)
        wrong += int(np.count_nonzero(error > 1)) if peak.max() > 1 else 0
        if peak.max() > worst:
            group = int(peak.argmax())
            worst, found = float(peak[group]), (part.start + group, int(error[group].argmax()))
    given = (rule.atol or 0.0) + (rule.rtol or 0.0) * abs(float(z[found]))
    return Deviation(
        ratio=worst,
        error=float(_errors(y[found].reshape(1, 1), z[found].reshape(1, 1), r[found].reshape(1, 1))[0, 0]),
        tolerance=given if rule.given else float(tolerance[found[0], 0]),
        noise=float(noise.unit.reshape(-1)[found[0]]),
        index=tuple(int(i) for i in np.unravel_index(found[0] * own + found[1], exact.shape)),
        actual=float(y[found]),
        expected=float(z[found]),
        wrong=wrong,
        count=exact.size,
        largest=float(noise.largest.max()),
        what=_words(float(y[found]), float(z[found])) if wrong else "",
    )


def _errors(y: Array, z: Array, rounded: Array) -> Array:
    """|y - z| in float64; 0 where both are alike without being numbers, infinite where only one is a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(np.subtract(y, z, dtype=np.float64))
    if not np.isfinite(error).all():
        odd = ~np.isfinite(error)
        error[odd] = np.where(_alike(y[odd], z[odd]) | _alike(y[odd], rounded[odd]), 0.0, np.inf)
    return np.asarray(error)


def _alike(a: Array, b: Array) -> Array:
    return np.asarray((np.isnan(a) & np.isnan(b)) | (np.isinf(a) & (a == b)))


def _words(y: float, z: float) -> str:
    return "" if np.isfinite(y) and np.isfinite(z) else f"{y:g} where Caffe has {z:g}"


def told(shape: tuple[int, ...]) -> str:
    """``2×3×7×9``."""
    return "×".join(map(str, shape)) or "a single number"
