"""Damage to numbers: constants, and attributes that are numbers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.damage.graph import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.damage.graph import File

BIAS, MEAN, VARIANCE = 2, 3, 4

LARGE = 1e37
"""From here on a number stands for infinity."""


def scaled(file: File) -> Iterator[Damage]:
    """Every number of a constant times 1.01."""
    for i, node in file.each():
        for place in range(len(node.input)):
            value = file.constant(i, place)
            if value is not None and value.any() and np.abs(value).max() < LARGE:
                yield Damage(i, f"{node.input[place]} × 1.01", file.replacer(i, place, value * np.float32(1.01)))


def channels(file: File) -> Iterator[Damage]:
    """The first channel of a constant and another change places, along the axis where it has channels."""
    for i, node in file.each("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "PRelu", "Mul", "Add"):
        for place in range(len(node.input)):
            value = file.constant(i, place)
            for axis in () if value is None else range(min(value.ndim, 2)):
                assert value is not None
                if value.shape[axis] > 1:
                    order = np.arange(value.shape[axis])
                    other = 1 + i % (len(order) - 1)
                    order[[0, other]] = order[[other, 0]]
                    what = f"{node.input[place]}: 0 and {other} of axis {axis}"
                    yield Damage(i, what, file.replacer(i, place, np.take(value, order, axis)))


def statistics(file: File) -> Iterator[Damage]:
    """BatchNormalization's mean and variance change places."""

    def swap(i: int, damaged: File) -> None:
        inputs = damaged.model.graph.node[i].input
        inputs[MEAN], inputs[VARIANCE] = inputs[VARIANCE], inputs[MEAN]

    for i, node in file.each("BatchNormalization"):
        yield Damage(i, f"{node.name}: mean and variance", partial(swap, i))


def epsilon(file: File) -> Iterator[Damage]:
    """Epsilon is ten times what it should be."""
    for i, node in file.each():
        if file.has(i, "epsilon"):
            value = file.get(i, "epsilon")
            yield Damage(i, f"{node.name}: {value:g} becomes {10 * value:g}", file.setter(i, epsilon=10 * value))
        for place, name in enumerate(node.input):
            constant = file.constant(i, place)
            if "eps" in name.rsplit("/", 1)[-1] and constant is not None:
                yield Damage(i, f"{name} × 10", file.replacer(i, place, constant * np.float32(10)))


def beta(file: File) -> Iterator[Damage]:
    """0.001 too much behind a BatchNorm: what an incumbent gives a BatchNorm without Scale."""
    for i, node in file.each("BatchNormalization"):
        value = file.constant(i, BIAS)
        if value is not None:
            yield Damage(i, f"{node.input[BIAS]} + 0.001", file.replacer(i, BIAS, value + np.float32(0.001)))


def factor(file: File) -> Iterator[Damage]:
    """A BatchNorm's statistics as they are stored, not divided by the factor."""

    def undivided(i: int, by: float, damaged: File) -> None:
        for place in (MEAN, VARIANCE):
            value = file.constant(i, place)
            assert value is not None
            damaged.replace(i, place, value * np.float32(by))

    for i, node in file.each("BatchNormalization"):
        stored = [file.factors[layer] for layer in file.layers[node.name] if layer in file.factors]
        if stored and stored[0] not in (0.0, 1.0) and file.constant(i, MEAN) is not None:
            by = stored[0]
            yield Damage(i, f"{node.name}: × {by:g}", partial(undivided, i, by))


def lrn_bias(file: File) -> Iterator[Damage]:
    """LRN with ONNX's k, or without one where that is what it should be."""
    for i, node in file.each("LRN"):
        value = file.get(i, "bias", 1.0)
        instead = 0.0 if value == 1 else 1.0
        yield Damage(i, f"{node.name}: {value:g} becomes {instead:g}", file.setter(i, bias=instead))


def slopes(file: File) -> Iterator[Damage]:
    """ReLU instead of a leaky or a parametric one."""
    for i, node in file.each("LeakyRelu"):
        yield Damage(i, f"{node.name}: {file.get(i, 'alpha', 0.01):g} becomes 0", file.setter(i, alpha=0.0))
    for i, node in file.each("PRelu"):
        value = file.constant(i, 1)
        if value is not None and value.any():
            yield Damage(i, f"{node.input[1]} becomes 0", file.replacer(i, 1, np.zeros_like(value)))


def coefficients(file: File) -> Iterator[Damage]:
    """Eltwise's coefficients are 1: a factor, or the sign that a subtraction stands for."""

    def added(i: int, damaged: File) -> None:
        damaged.model.graph.node[i].op_type = "Add"

    for i, node in file.each("Mul", "Sub", "Neg"):
        if not any(file.types.get(layer) == "Eltwise" for layer in file.layers[node.name]):
            continue
        if node.op_type == "Sub":
            yield Damage(i, f"{node.name}: -1 becomes 1", partial(added, i))
        for place, name in enumerate(node.input):
            value = file.constant(i, place)
            if node.op_type == "Mul" and value is not None:
                yield Damage(i, f"{name}: {value.flat[0]:g} becomes 1", file.replacer(i, place, np.ones_like(value)))
