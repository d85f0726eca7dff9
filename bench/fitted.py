"""Made weights fitted to what arrives: numbers keep their size from layer to layer, as they do in a trained net.

One forward pass, with the weights that :mod:`bench.weights` made. On its way each layer's blobs are changed in the
caffemodel, before the layer computes what the next ones get:

- weights of a linear layer are divided by the root mean square of what they make, so that it becomes 1 (Mishkin and
  Matas, "All you need is a good init", 2016: layer-sequential unit variance);
- mean and variance of a normalisation become those of what arrives, channel by channel. A channel of few numbers
  has no statistics of its own to speak of: it takes the more of the whole blob's, the fewer it has;
- shifts behind a normalisation are 1, about, so that most units behind them are awake. Were it half of them, each
  normalised layer would make small differences larger, by a factor of up to 1.21, and a deep net would be chaotic: its
  float32 noise as large as its outputs (Yang et al., "A Mean Field Theory of Batch Normalization", 2019).

Sums of branches grow by their number then, not by doubling, and what an exponential gets is of size 1.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import caffe_bn_convert as cbc
from bench.weights import layers
from caffe_bn_convert.verify.oracle import LAYERS, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.verify.oracle.layer import Layer, Rule

    Array = np.ndarray[Any, np.dtype[Any]]


AWAKE = np.float32(1)
"""Mean of the shifts behind normalisations, in standard deviations."""


def fit(
    conversion: Conversion, prototxt: Path, shapes: Mapping[str, Sequence[int]], inputs: Mapping[str, Array]
) -> None:
    """Change the weights of a conversion in their file, which :func:`bench.weights.write_weights` wrote.

    Args:
        conversion: the net with these weights; convert again afterwards.
        prototxt, shapes: what the weights were made for.
        inputs: what arrives at the inputs, by blob.

    Raises:
        ConversionError: the oracle cannot compute the net.
    """
    graph = cbc.shapes(prototxt, shapes=shapes, keep_losses=False)
    roles = {name: tuple(p.role for p in parameters) for name, _, parameters in layers(graph)}
    net, blobs = conversion.net, conversion.located.blobs
    count = max((index + 1 for index, own in enumerate(blobs) if own), default=0)
    until = replace(net, layers=net.layers[:count])
    with conversion.sources[0].path.open("r+b") as file:
        fitting = _Fitting(conversion, roles, file.fileno())
        rules = {kind: partial(fitting.compute, rule) for kind, rule in LAYERS.items()}
        run(until, blobs[:count], inputs, np.float32, phase=conversion.phase, rules=rules)


class _Fitting:
    def __init__(self, conversion: Conversion, roles: Mapping[str, tuple[str, ...]], file: int) -> None:
        self.file, self.roles = file, roles
        pairs = zip(conversion.net.layers, conversion.located.blobs, strict=True)
        self.places = {layer.name: [blob.spans[0] for blob in blobs if blob is not None] for layer, blobs in pairs}
        self.done: set[int] = set()

    def compute(self, rule: Rule, layer: Layer, bottoms: list[Array], blobs: Sequence[Array | None]) -> list[Array]:
        """The rule, after the layer's blobs were fitted; those that another layer shares stay as that one left them."""
        name = layer.parameter.name
        places = self.places[name]
        by_role: dict[str, Any] = dict(zip(self.roles.get(name, ()), blobs, strict=False))
        if not by_role or len(places) < len(blobs) or self.done.intersection(place.offset for place in places):
            return rule(layer, bottoms, blobs)
        if {"scale", "bias"} <= by_role.keys():
            by_role["bias"] += AWAKE
        if "variance" in by_role:
            take_statistics(by_role, bottoms[0])
        tops = rule(layer, bottoms, blobs)
        if "weight" in by_role:
            tops = scale_weights(by_role, tops)
        for place, blob in zip(places, blobs, strict=True):
            os.pwrite(self.file, np.ascontiguousarray(blob, np.float32).data, place.offset)
            self.done.add(place.offset)
        return tops


def take_statistics(blobs: Mapping[str, Any], x: Array) -> None:
    """Mean and variance of the channels of ``x``, each drawn to those of all of ``x`` as if by one more number."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    count = x.size // x.shape[1]
    mean, variance = x.mean(axes, np.float64), x.var(axes, np.float64)
    times = float(blobs["factor"].reshape(-1)[0]) if "factor" in blobs else 1.0
    blobs["mean"].reshape(-1)[:] = times * (count * mean + x.mean(dtype=np.float64)) / (count + 1)
    blobs["variance"].reshape(-1)[:] = times * (count * variance + x.var(dtype=np.float64)) / (count + 1)


def scale_weights(blobs: dict[str, Any], tops: list[Array]) -> list[Array]:
    """Make the size of what weight and bias make 1; the tops of the layer, which is linear, then."""
    size = np.float32(np.sqrt(np.mean(np.square(tops[0], dtype=np.float64))))
    if not 0 < size < np.inf:
        return tops
    for role in blobs.keys() & {"weight", "bias"}:
        blobs[role] /= size
    return [top / size for top in tops]
