"""The numbers that BatchNorm has stored: BN014, BN017, and BN001, BN002, BN009 where shapes are unknown."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.norm import BatchNorm, statistics
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import field_place, layer_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.lint.context import Context, Reading

_BLOBS = 3
_LOW, _HIGH = 0.9, 1.01
"""Of the value that the factor settles at: 10 % below is after 2.3 windows; above it there is only rounding."""


def unshaped(context: Context) -> Iterator[Finding]:
    """BN001, BN002, BN009 of layers whose bottoms have no known shape; the others were looked at when they were read."""
    for reading, layer, blobs in _stored(context):
        if not reading.fitted and any(shape is None for shape in reading.shapes):
            place = layer_place(reading.definition, context.net)
            for finding in layer.findings((), blobs):
                yield replace(finding, where=place)


def unsettled(context: Context) -> Iterator[Finding]:
    """BN014: after n iterations the factor is the sum of f^i for i < n, which is (1 - f^n)/(1 - f)."""
    for reading, _, blobs in _stored(context):
        factor = float(blobs[2].read64()[0])
        fraction = _fraction(context, reading)
        if not 0 < fraction < 1 or not 0 < factor < math.inf or factor == 1:
            continue
        limit = 1 / (1 - fraction)
        if not _LOW * limit <= factor <= _HIGH * limit:
            what = f"its factor is {factor:.6g}, but settles at {limit:.6g} (moving_average_fraction {fraction:.6g}); "
            place = field_place(reading.definition, context.net, "batch_norm_param", "moving_average_fraction")
            yield Finding("BN014", what + _meaning(factor, fraction, limit), place)


def small_variance(context: Context) -> Iterator[Finding]:
    """BN017."""
    for reading, layer, blobs in _stored(context):
        if not float(blobs[2].read64()[0]) > 0:
            continue
        variance = statistics(blobs)[1]
        small = np.flatnonzero((variance < layer.eps) & (variance + layer.eps > 0))
        if len(small):
            what = (
                f"the variance of {len(small)} of {len(variance)} channels is below eps ({layer.eps:.3g}); "
                f"the first is channel {small[0]} with {variance[small[0]]:.3g}"
            )
            yield Finding("BN017", what, layer_place(reading.definition, context.net))


CHECKS = (unshaped, unsettled, small_variance)


def _stored(context: Context) -> Iterator[tuple[Reading, BatchNorm, tuple[Blob, ...]]]:
    """The BatchNorm layers that use stored statistics, with their three blobs."""
    for reading in context.readings:
        blobs = tuple(blob for blob in reading.fitted or reading.found if blob is not None)
        layer = reading.typed
        if isinstance(layer, BatchNorm) and not layer.batch_statistics and len(blobs) == _BLOBS and blobs[2].count == 1:
            yield reading, layer, blobs


def _fraction(context: Context, reading: Reading) -> float:
    """moving_average_fraction, of the training net where there is one: it means nothing for deployment."""
    trained = [layer for layer in (context.train.layers if context.train else ()) if layer.name == reading.name]
    definition = trained[0] if trained else reading.definition
    return float(np.float64(str(np.float32(definition.parameter.batch_norm_param.moving_average_fraction))))


def _meaning(factor: float, fraction: float, limit: float) -> str:
    if factor > limit:
        return f"it was trained with a fraction of at least {1 - 1 / factor:.6g}"
    rounds = math.log1p(-factor * (1 - fraction)) / math.log(fraction)
    return f"that is after {max(1, round(rounds))} iterations"
