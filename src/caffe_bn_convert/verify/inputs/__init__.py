"""What the net is run on: several seeded inputs of different kinds, or the user's own."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.verify.inputs.kinds import KINDS
from caffe_bn_convert.verify.inputs.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.verify.inputs.kinds import Array

__all__ = ["Feed", "Slot", "feeds", "given"]

DYNAMIC_BATCHES = (3, 2, 1)
"""Sizes of the batch where it is dynamic."""

FALLBACK = 32
"""For a dynamic axis that the prototxt does not tell."""

STEP = 32
"""Other sizes to try on dynamic axes are multiples of this apart; nets that halve their maps need that."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An input of the net.

    Attributes:
        name: the Caffe blob.
        shape: its shape; None for a dynamic axis.
        usual: the shape that the prototxt gives, for dynamic axes; may be empty.
    """

    name: str
    shape: tuple[int | None, ...]
    usual: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """One run of the net.

    Attributes:
        what: in words what is in it.
        arrays: float32 values by Caffe blob.
        fed: what the file is fed with instead, where it has preprocessing of its own in front of the blob.
    """

    what: str
    arrays: Mapping[str, Array]
    fed: Mapping[str, Array] = field(default_factory=dict)

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {'×'.join(map(str, a.shape)) or 'scalar'}" for name, a in self.arrays.items())
        return f"{self.what}: {shapes}"


def feeds(net: NetDefinition, slots: Sequence[Slot], seed: int, kinds: int = len(KINDS)) -> list[Feed]:
    """Runs that show every kind of numbers, batched where the batch has room.

    Args:
        net: tells what the inputs mean.
        slots: the inputs.
        seed: another seed gives other numbers; the same seed always the same.
        kinds: how many rows of different kinds, in the order of :data:`KINDS`; beyond its end from the start again, with
            other numbers.

    Raises:
        UsageError: the seed is below 0.
    """
    if seed < 0:
        raise UsageError(f"{seed} is no seed", hint="give a number from 0 on")
    made = []
    names = [name for name, _ in zip(cycle(KINDS), range(max(1, kinds)), strict=False)]
    runs = list(_runs(slots, names))
    if _rows_depend(net):  # where large rows hide what small ones would show
        runs += [(sizes, names[:1]) for sizes, chosen in runs[:1] if len(set(chosen)) > 1]
    for number, (sizes, chosen) in enumerate(runs):
        arrays = {
            slot.name: _filled(net, slot, shape, chosen, (seed, number))
            for slot, shape in zip(slots, sizes, strict=True)
        }
        made.append(Feed(", ".join(dict.fromkeys(chosen)), arrays))
    return made


def _rows_depend(net: NetDefinition) -> bool:
    """Whether a BatchNorm takes its statistics from the batch, or may do so."""
    norms = (layer.parameter.batch_norm_param for layer in net.layers if layer.type == "BatchNorm")
    return any(
        not p.use_global_stats and (p.HasField("use_global_stats") or net.parameter.state.phase == 0) for p in norms
    )


def _runs(slots: Sequence[Slot], names: list[str]) -> Iterator[tuple[list[tuple[int, ...]], list[str]]]:
    """For every run the shapes and the kinds of its rows."""
    left = list(names)
    dynamic = any(slot.shape[:1] == (None,) for slot in slots)
    batches = list(DYNAMIC_BATCHES) if dynamic else []
    number = 0
    while left or batches:
        batch = batches.pop(0) if batches else DYNAMIC_BATCHES[0]
        sizes = [_sized(slot, batch, number) for slot in slots]
        rows = max((shape[0] for shape in sizes if len(shape) > 1), default=1)
        chosen, left = (left[:rows], left[rows:]) if left else (names[:rows], [])
        yield sizes, chosen
        number += 1


def _sized(slot: Slot, batch: int, number: int) -> tuple[int, ...]:
    """The shape of a run: dynamic axes as the prototxt has them, larger ones in the second run."""
    shape: list[int] = []
    for axis, size in enumerate(slot.shape):
        if size is not None:
            shape.append(size)
        elif axis == 0:
            shape.append(batch)
        else:
            usual = slot.usual[axis] if axis < len(slot.usual) else FALLBACK + STEP * axis
            shape.append(usual + STEP * (axis % 2 + 1) * (number % 2))
    return tuple(shape)


def _filled(net: NetDefinition, slot: Slot, shape: tuple[int, ...], kinds: list[str], seed: tuple[int, int]) -> Array:
    rng = np.random.default_rng((*seed, zlib.crc32(slot.name.encode())))
    role = role_of(net, slot.name)
    if role is not None:
        return role[1](rng, shape, role[2]).astype(np.float32)
    if len(shape) < 2:
        return KINDS[kinds[0]](rng, shape).astype(np.float32)
    value = np.empty(shape, np.float32)
    for row in range(shape[0]):
        value[row] = KINDS[kinds[row % len(kinds)]](rng, shape[1:])
    return value


def given(slots: Sequence[Slot], arrays: Mapping[str, Array]) -> Feed:
    """The user's own arrays as a run; a missing batch axis is added, a single row is repeated for a fixed batch.

    Raises:
        UsageError: an input has no array, an array has no input, or the shape does not fit.
    """
    known = {slot.name for slot in slots}
    if missing := sorted(known - set(arrays)):
        raise UsageError(f"--input gives no numbers for {', '.join(missing)}", hint="repeat it: --input NAME=FILE")
    if strange := sorted(set(arrays) - known):
        raise UsageError(f"the net has no input {', '.join(strange)}; its inputs are {', '.join(sorted(known))}")
    return Feed("given", {slot.name: _fitted(slot, np.asarray(arrays[slot.name], np.float32)) for slot in slots})


def _fitted(slot: Slot, array: Array) -> Array:
    if array.ndim == len(slot.shape) - 1:
        array = array[None]
    if array.ndim and slot.shape[:1] != (None,) and array.shape[:1] == (1,):
        array = np.repeat(array, slot.shape[0] or 1, axis=0)
    fits = array.ndim == len(slot.shape) and all(
        want is None or want == have for want, have in zip(slot.shape, array.shape, strict=True)
    )
    if not fits:
        wanted = "×".join("?" if size is None else str(size) for size in slot.shape)
        raise UsageError(
            f'input "{slot.name}" needs {wanted}, the file has {"×".join(map(str, array.shape)) or "one number"}'
        )
    return np.ascontiguousarray(array)
