"""Ways to damage an ONNX file as a faulty converter would: each a function that lists what it could do to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.damage.geometry import dilated, divided, grouped, strided, transposed_pads
from bench.damage.graph import Damage, File
from bench.damage.structure import crossed, dropped, shifted_axis, skipped
from bench.damage.weights import (
    beta,
    channels,
    coefficients,
    epsilon,
    factor,
    lrn_bias,
    scaled,
    slopes,
    statistics,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS", "Damage", "File"]

KINDS: dict[str, Callable[[File], Iterator[Damage]]] = {
    "an initializer scaled by 1 %": scaled,
    "two channels swapped": channels,
    "mean and variance swapped": statistics,
    "eps × 10": epsilon,
    "beta 0.001 too large": beta,
    "factor ignored": factor,
    "pad_h and pad_w swapped": transposed_pads,
    "stride": strided,
    "dilation": dilated,
    "group": grouped,
    "LRN's k lost": lrn_bias,
    "divisor of an average": divided,
    "ReLU's slope lost": slopes,
    "Eltwise's coefficient lost": coefficients,
    "axis off by one": shifted_axis,
    "layer left out, its value is its bottom": dropped,
    "layer left out, its readers read its bottom": skipped,
    "two edges crossed": crossed,
}
