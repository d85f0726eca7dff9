"""What BatchNorm layers have stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.inspect.model import Statistics
from caffe_bn_convert.layers.norm import BatchNorm, Scale, statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.lint.context import Context, Reading

    Floats = np.ndarray[Any, np.dtype[np.float64]]

_DEAD = 1e-6
_BLOBS = 3


def of_net(context: Context) -> Iterator[Statistics]:
    """The statistics of every BatchNorm whose three blobs the weights have."""
    for reading in context.readings:
        blobs = _blobs(reading)
        if isinstance(reading.typed, BatchNorm) and len(blobs) == _BLOBS and blobs[2].count == 1:
            mean, variance = statistics(blobs)
            factor = float(blobs[2].read64()[0])
            gamma, beta = _scale(context, reading)
            yield summary(reading.name, mean, variance, gamma, beta, reading.typed.eps, factor)


def summary(
    layer: str, mean: Floats, variance: Floats, gamma: Floats | None, beta: Floats | None, eps: float,
    factor: float | None = None,
) -> Statistics:  # fmt: skip
    """The ranges, and the channels that are dead."""
    with np.errstate(invalid="ignore"):  # an infinite variance
        spread = np.sqrt(np.maximum(variance, 0) / (np.maximum(variance, 0) + eps)) if eps > 0 else np.sign(variance)
    if gamma is not None and gamma.shape == spread.shape:
        spread = spread * np.abs(gamma)
    return Statistics(
        layer, mean.size, factor, _range(mean), _range(variance), _range(gamma), _range(beta),
        tuple(int(i) for i in np.flatnonzero(spread < _DEAD)), eps,
    )  # fmt: skip


def _range(values: Floats | None) -> Any:
    return None if values is None or not values.size else (float(values.min()), float(values.max()))


def _scale(context: Context, reading: Reading) -> tuple[Floats | None, Floats | None]:
    """Factor and bias of the Scale that reads this layer, if that is its only reader."""
    readers = context.readers(reading.tops[0])
    if len(readers) != 1 or not isinstance(readers[0].typed, Scale) or len(readers[0].bottoms) != 1:
        return None, None
    values = [blob.read64() for blob in _blobs(readers[0])]
    return (values[0] if values else None), (values[1] if len(values) > 1 else None)


def _blobs(reading: Reading) -> Sequence[Blob]:
    return [blob for blob in reading.fitted or reading.found if blob is not None]
