"""A layer that is not in the file at all: nothing shows its value, and its reader is what it would be without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify.oracle import forward
from caffe_bn_convert.verify.oracle.values import is_input, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caffe_bn_convert.verify.compare import Deviation
    from caffe_bn_convert.verify.oracle.values import Read, Step
    from caffe_bn_convert.verify.tolerance import Array
    from caffe_bn_convert.verify.walk import Caffe, Shown, Visit


def left_out(
    caffe: Caffe, arrays: Mapping[str, Array], shown: Shown, wrong: Visit, judged: Callable[[Visit], Deviation]
) -> str | None:
    """The value, hidden in the file, without whose layer the oracle agrees with a value that is wrong; None if there is none.

    Args:
        caffe: the net.
        arrays: its inputs.
        shown: the runtime's numbers, none of them asked for yet.
        wrong: a value that is wrong on the runtime's own bottoms.
        judged: compares a value with the oracle's.
    """
    reading = _Reading(caffe, arrays, shown)
    reader = reading.makers.get(wrong.key)
    for place, read in enumerate(reader.bottoms if reader is not None else ()):
        for skipped in _some(reading.hidden(read.key)):
            assert reader is not None
            exact, rounded = (reading.tops(reader, dtype, place, skipped) for dtype in (np.float64, np.float32))
            number = reader.tops.index(wrong.key)
            without = replace(wrong, exact=exact[number], rounded=rounded[number]) if exact and rounded else None
            if without is not None and judged(without).passed:
                return skipped[0]
    return None


def _some(chain: Sequence[str]) -> Iterator[Sequence[str]]:
    """Each alone, then all."""
    yield from ([key] for key in chain)
    if len(chain) > 1:
        yield chain


class _Reading:
    """The oracle's layers on the runtime's own numbers, some of them skipped."""

    def __init__(self, caffe: Caffe, arrays: Mapping[str, Array], shown: Shown) -> None:
        self.caffe, self.arrays, self.shown = caffe, arrays, shown
        self.makers = {key: step for step in plan(caffe.net).steps for key in step.tops}
        self.loaded: dict[str, Array] = {}

    def hidden(self, key: str) -> list[str]:
        """The values from ``key`` up to the next that the file shows, the first computed first."""
        chain: list[str] = []
        while not self._known(key) and self.makers[key].bottoms:
            chain.insert(0, key)
            key = self.makers[key].bottoms[0].key
        return chain

    def tops(self, step: Step, dtype: type[np.floating[Any]], place: int, skipped: Sequence[str]) -> list[Array]:
        """A layer's tops without the layers of ``skipped`` before one of its bottoms; none if that is impossible."""
        bottoms = [self._read(read, skipped if i == place else ()) for i, read in enumerate(step.bottoms)]
        return self._forward(step, bottoms, dtype)

    def _forward(self, step: Step, bottoms: Sequence[Array], dtype: type[np.floating[Any]]) -> list[Array]:
        caffe = self.caffe
        layer, blobs = caffe.net.layers[step.index], caffe.blobs[step.index]
        try:
            return forward(layer, bottoms, blobs, dtype, phase=caffe.phase, rules=caffe.rules)
        except (ConversionError, ValueError, IndexError, ArithmeticError):
            return []  # without the layer the shapes do not fit

    def _known(self, key: str) -> bool:
        return key in self.shown or is_input(self.caffe.net.layers[self.makers[key].index])

    def _read(self, read: Read, skipped: Sequence[str]) -> Array:
        value = self._value(read.key, skipped)
        return value if read.key == read.like or skipped else value.reshape(self._value(read.like, ()).shape)

    def _value(self, key: str, skipped: Sequence[str]) -> Array:
        step = self.makers[key]
        if self._known(key):
            if key not in self.loaded:
                value = self.arrays.get(key) if key not in self.shown else self.shown.get(key)
                self.loaded[key] = np.asarray(value)
            return self.loaded[key]
        if key in skipped:
            return self._value(step.bottoms[0].key, skipped)
        tops = self.tops(step, np.float64, 0, skipped)
        return tops[step.tops.index(key)] if tops else np.empty(0)
