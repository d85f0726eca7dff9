"""The numbers in the weights: WGT001 to WGT003. Weights that nobody uses: NET013."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import Where
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import layer_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.lint.context import Context, Reading

_ROWS = frozenset({"Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "InnerProduct"})
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a blob tells: how many numbers are bad, how many denormal, and which rows are all 0."""

    bad: int
    denormal: int
    dead: tuple[int, ...]


def scan(blob: Blob, rows: int) -> Scan:
    """Look at every number of a blob once, a bounded part at a time."""
    alive = np.zeros(max(rows, 1), np.bool_)
    per_row = max(1, blob.count // max(rows, 1))
    bad = denormal = done = 0
    tiny = np.finfo(np.float32).tiny
    for part in blob.chunks():
        size = np.abs(part)
        bad += int(np.count_nonzero(~np.isfinite(size)))
        denormal += int(np.count_nonzero((size < tiny) & (size > 0)))
        if rows:
            alive[(np.flatnonzero(size) + done) // per_row] = True
        done += part.size
    return Scan(bad, denormal, tuple(np.flatnonzero(~alive).tolist()) if rows else ())


def numbers(context: Context) -> Iterator[Finding]:
    """WGT001, WGT002 and WGT003."""
    seen: set[Blob] = set()
    for reading in context.readings:
        place = layer_place(reading.definition, context.net)
        for i, blob in enumerate(reading.fitted or reading.found):
            if blob is None or blob in seen:
                continue
            seen.add(blob)
            told = scan(blob, _rows(reading, i))
            if told.bad:
                yield Finding(
                    "WGT001", f"{told.bad} of the {blob.count} numbers of blob {i} are NaN or infinite", place
                )
            if told.denormal:
                yield Finding("WGT002", f"{told.denormal} of the {blob.count} numbers of blob {i} are denormal", place)
            if told.dead:
                yield Finding("WGT003", _dead(told.dead, _rows(reading, i)), place)


def unused(context: Context) -> Iterator[Finding]:
    """NET013, once for a net."""
    names = context.located.unused
    if names:
        some = ", ".join(f'"{name}"' for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        yield Finding(
            "NET013",
            f"the weights have {len(names)} layer{'s' * (len(names) > 1)} that the net does not: {some}",
            Where(context.net.file, 1, 1),
        )


CHECKS = (numbers, unused)


def _rows(reading: Reading, index: int) -> int:
    """How many output channels a blob holds one after the other; 0 where it is laid out otherwise."""
    if index or not reading.fitted:
        return 0
    transposed = reading.type == "InnerProduct" and reading.definition.parameter.inner_product_param.transpose
    if (reading.type in _ROWS and not transposed) or (reading.type == "Scale" and len(reading.bottoms) == 1):
        return reading.fitted[0].shape[0] if reading.fitted[0].shape else 1
    return 0


def _dead(rows: tuple[int, ...], total: int) -> str:
    some = ", ".join(map(str, rows[:_SHOWN])) + (", …" if len(rows) > _SHOWN else "")
    return f"{len(rows)} of {total} output channels do not depend on the input, all their numbers are 0: {some}"
