"""The forward pass: layers in the order of the net (Caffe's net.cpp, ForwardFromTo)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError, UsageError, at

from .layer import Layer
from .rules import LAYERS
from .values import is_input, plan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Literal

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

    from .layer import Array, Rule
    from .values import Plan, Read


def run(
    net: NetDefinition,
    blobs: Sequence[Sequence[Blob | None]],
    inputs: Mapping[str, Array],
    dtype: Any = np.float64,
    *,
    phase: str = "TEST",
    keep: Collection[str] | Literal["all"] | None = None,
    shapes: dict[str, tuple[int, ...]] | None = None,
    rules: Mapping[str, Rule] = LAYERS,
) -> dict[str, Array]:
    """Compute what Caffe computes.

    Args:
        net: upgraded to today's form and filtered to one state.
        blobs: each layer's blobs, aligned with ``net.layers``; None where the filler's value stands.
        inputs: a value for every top of the data layers, by blob name.
        dtype: float64 or float32, for every value of the net.
        phase: ``"TEST"`` or ``"TRAIN"``; a layer's own ``phase`` goes first.
        keep: keys of values to return beside the outputs; ``"all"`` for every value (keys: see :mod:`.values`).
        shapes: a dict that gets the shape of every value by key, those that are not kept too.
        rules: the layer types by Caffe's name; add your own with ``LAYERS | {...}``.

    Returns:
        the values by key, in the order in which they were made.

    Raises:
        UsageError: an input is missing.
        InvalidNetError: Caffe could not set the net up.
        UnsupportedError: a layer that the oracle does not know, or missing weights with a random filler.
    """
    walk = plan(net)
    wanted = _wanted(walk, keep)
    readers = _readers(walk)
    sizes: dict[str, tuple[int, ...]] = {} if shapes is None else shapes
    live: dict[str, Array] = {}
    result: dict[str, Array] = {}
    for step in walk.steps:
        layer = net.layers[step.index]
        with at(layer.where()):
            if is_input(layer):
                tops = [np.asarray(_given(inputs, top), dtype) for top in step.tops]
            else:
                bottoms = [_shaped(live, sizes, read) for read in step.bottoms]
                tops = forward(layer, bottoms, blobs[step.index], dtype, phase=phase, rules=rules)
        for key, value in zip(step.tops, tops, strict=True):
            sizes[key] = value.shape
            if key in wanted:
                result[key] = value
            if readers[key]:
                live[key] = value
        for read in step.bottoms:
            readers[read.key] -= 1
            if not readers[read.key]:
                del live[read.key]
    return result | {key: _shaped(live, sizes, read) for key, read in walk.outputs.items()}


def forward(
    layer: LayerDefinition,
    bottoms: Sequence[Array],
    blobs: Sequence[Blob | None],
    dtype: Any = np.float64,
    *,
    phase: str = "TEST",
    rules: Mapping[str, Rule] = LAYERS,
) -> list[Array]:
    """The tops of one layer for given bottoms; raises UnsupportedError for a type that the oracle does not know."""
    parameter = layer.parameter
    if not parameter.top:
        return []
    rule = rules.get(parameter.type)
    if rule is None:
        raise UnsupportedError(
            f'the oracle does not know the layer type "{parameter.type}", so nothing can be proven',
            hint="give your plug-in a rule in ORACLE (docs/custom-layers.md), or add --no-verify",
        )
    own = ("TRAIN", "TEST")[parameter.phase] if parameter.HasField("phase") else phase
    given = Layer(parameter, layer.text, own, np.dtype(dtype), len(parameter.top))
    values = [None if blob is None else blob.read().reshape(blob.shape) for blob in blobs]
    with np.errstate(all="ignore"):
        tops = rule(given, [np.asarray(bottom, dtype) for bottom in bottoms], values)
    if len(tops) < len(parameter.top):
        raise InvalidNetError(f"{parameter.type} makes {len(tops)} top blobs, {len(parameter.top)} are named")
    return [np.asarray(top, dtype) for top in tops[: len(parameter.top)]]


def _wanted(walk: Plan, keep: Collection[str] | None) -> frozenset[str]:
    keys = frozenset(key for step in walk.steps for key in step.tops)
    if keep == "all":
        return keys
    kept = frozenset(keep or ())
    if strange := sorted(kept - keys - frozenset(walk.outputs)):
        raise UsageError(f"no values to keep under {strange}: the net does not make them")
    return kept | frozenset(walk.outputs)


def _readers(walk: Plan) -> Counter[str]:
    """How often each value is read: by layers, and by the net's user at the end."""
    reads = [read for step in walk.steps for read in step.bottoms]
    return Counter(read.key for read in (*reads, *walk.outputs.values()))


def _shaped(live: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], read: Read) -> Array:
    return live[read.key].reshape(shapes[read.like])


def _given(inputs: Mapping[str, Array], name: str) -> Array:
    if name not in inputs:
        raise UsageError(f"no value is given for the input {name!r}")
    return inputs[name]
