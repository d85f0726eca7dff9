"""Damage to windows: pads, strides, dilations, groups, divisors.

A window that is wrong mostly changes the shape of what follows, and then the file does not run at all. So where numbers
can be wrong with the shape being right, padding at the end makes up for the damage.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.damage.graph import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.damage.graph import Array, File

WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")


def transposed_pads(file: File) -> Iterator[Damage]:
    """The pads of two axes change places."""
    for i, node in file.each(*WINDOWS):
        pads = list(file.get(i, "pads", []))
        axes = len(pads) // 2
        swapped = [*pads[:axes][::-1], *pads[axes:][::-1]]
        if axes == 2 and swapped != pads:
            yield Damage(i, f"{node.name}: {pads} becomes {swapped}", file.setter(i, pads=swapped))


def strided(file: File) -> Iterator[Damage]:
    """The stride along one axis is one more; the strides of two axes change places."""
    for i, node in file.each(*WINDOWS):
        strides = list(file.get(i, "strides", []))
        out = file.shapes.get(node.output[0], ())[2:]
        if len(out) != len(strides):
            continue
        if strides[::-1] != strides:
            yield Damage(i, f"{node.name}: {strides} becomes {strides[::-1]}", file.setter(i, strides=strides[::-1]))
        for axis, size in enumerate(out):
            more = [stride + (axis == other) for other, stride in enumerate(strides)]
            what = f"{node.name}: {strides} becomes {more}"
            yield Damage(i, what, file.setter(i, strides=more))
            if node.op_type == "Conv" and size > 1:
                pads = list(file.get(i, "pads", [0] * 2 * len(strides)))
                pads[len(strides) + axis] += size - 1
                yield Damage(i, f"{what}, padded", file.setter(i, strides=more, pads=pads))


def dilated(file: File) -> Iterator[Damage]:
    """The dilation along one axis is one more, or 1 where it is more."""
    for i, node in file.each("Conv", "ConvTranspose"):
        kernel, dilations = list(file.get(i, "kernel_shape", [])), list(file.get(i, "dilations", []))
        for axis, size in enumerate(kernel):
            if size > 1:
                other = list(dilations)
                other[axis] = 1 if dilations[axis] > 1 else 2
                what = f"{node.name}: {dilations} becomes {other}"
                yield Damage(i, what, file.setter(i, dilations=other))
                if (pads := _made_up(file, i, axis, (size - 1) * (other[axis] - dilations[axis]))) is not None:
                    yield Damage(i, f"{what}, padded", file.setter(i, dilations=other, pads=pads))


def _made_up(file: File, i: int, axis: int, grown: int) -> list[int] | None:
    """Pads that keep the shape for a kernel that is larger by ``grown``."""
    pads = list(file.get(i, "pads", []))
    pads[axis] += grown // 2
    pads[len(pads) // 2 + axis] += grown - grown // 2
    return pads if min(pads) >= 0 else None


def grouped(file: File) -> Iterator[Damage]:
    """Two groups where there is one; one where there are several, the filters repeated."""

    def regroup(i: int, group: int, weight: Array, damaged: File) -> None:
        damaged.replace(i, 1, weight)
        damaged.set(i, group=group)

    for i, node in file.each("Conv"):
        weight, group = file.constant(i, 1), file.get(i, "group", 1)
        if weight is None:
            continue
        if group > 1:
            dense = np.tile(weight, (1, group, *(1,) * (weight.ndim - 2)))
            yield Damage(i, f"{node.name}: {group} becomes 1", partial(regroup, i, 1, dense))
        elif not weight.shape[0] % 2 and not weight.shape[1] % 2:
            half = weight[:, : weight.shape[1] // 2]
            yield Damage(i, f"{node.name}: 1 becomes 2", partial(regroup, i, 2, half))


def divided(file: File) -> Iterator[Damage]:
    """An average over another number of cells: padding counted or not, Caffe's own divisor left out."""

    def ones(i: int, place: int, damaged: File) -> None:
        value = file.constant(i, place)
        assert value is not None
        damaged.replace(i, place, np.ones_like(value))

    for i, node in file.each("AveragePool"):
        if any(file.get(i, "pads", [])):
            counted = file.get(i, "count_include_pad", 0)
            what = f"{node.name}: count_include_pad {counted} becomes {1 - counted}"
            yield Damage(i, what, file.setter(i, count_include_pad=1 - counted))
    for i, node in file.each("Mul"):
        for place, name in enumerate(node.input):
            if "divisor" in name and file.constant(i, place) is not None:
                yield Damage(i, f"{name} is left out", partial(ones, i, place))
