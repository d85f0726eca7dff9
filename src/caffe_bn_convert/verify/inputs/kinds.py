"""Numbers that exercise a net: each kind shows what the others hide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, np.dtype[Any]]
    Kind = Callable[[np.random.Generator, tuple[int, ...]], Array]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Independent unit normals: every weight counts."""
    return rng.standard_normal(shape)


def pixels(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Whole numbers from 0 to 255, what images give: large activations, saturation, no negative number."""
    return rng.integers(0, 256, shape).astype(np.float64)


def ramp(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Along every axis another slope, in every channel another start: axes and channels that changed places."""
    value = np.zeros(shape)
    for axis, size in enumerate(shape):
        steps = np.arange(size).reshape(-1, *(1,) * (len(shape) - axis - 1))
        value = value + steps * (rng.uniform(0.5, 1.5) / max(size - 1, 1)) * (-1) ** axis
    return 40 * value + rng.standard_normal(shape)


def impulse(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Zeros and a few spikes: biases and normalisation alone almost everywhere, kernels laid bare around the spikes."""
    value = np.zeros(int(np.prod(shape)))
    if value.size:
        spikes = rng.choice(value.size, size=max(1, value.size // 97), replace=False)
        value[spikes] = rng.uniform(-4, 4, len(spikes))
    return value.reshape(shape)


def borders(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Large numbers along the edges of the last two axes, small ones within: padding and windows that stick out."""
    value = 0.01 * rng.standard_normal(shape)
    for axis in range(max(1, len(shape) - 2), len(shape)):
        for edge in (0, -1):
            place: list[Any] = [slice(None)] * len(shape)
            place[axis] = edge
            value[tuple(place)] = rng.uniform(1, 9, value[tuple(place)].shape)
    return value


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Soft shapes from 0 to 255, as in photographs: features that look at large parts of the picture."""
    coarse = [size if axis < len(shape) - 2 else 1 + -(-size // 16) for axis, size in enumerate(shape)]
    value = rng.uniform(-20, 275, coarse)
    for axis in range(max(0, len(shape) - 2), len(shape)):
        value = _stretched(value, axis, shape[axis])
    return np.clip(value + 4 * rng.standard_normal(shape), 0, 255)


def _stretched(value: Array, axis: int, size: int) -> Array:
    """Linear interpolation along one axis."""
    place = np.linspace(0, value.shape[axis] - 1, size)
    low = np.minimum(place.astype(np.int64), max(value.shape[axis] - 2, 0))
    share = (place - low).reshape(-1, *(1,) * (value.ndim - axis - 1))
    high = np.minimum(low + 1, value.shape[axis] - 1)
    return np.asarray(value.take(low, axis) * (1 - share) + value.take(high, axis) * share)


KINDS: dict[str, Kind] = {
    "unit normal": normal,
    "smooth": smooth,
    "pixel range": pixels,
    "impulse": impulse,
    "ramp": ramp,
    "borders": borders,
}
"""In the order in which they are taken where a net is too large for all."""
