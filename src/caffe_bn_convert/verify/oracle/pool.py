"""Pooling and SPP (Caffe's pooling_layer.cpp, spp_layer.cpp)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .fields import fields
from .layer import expect, matrix, unsupported

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule

LOWEST = -float(np.finfo(np.float32).max)
"""-FLT_MAX, where every maximum starts: what a window without cells gives, and the least that any window can give."""


@dataclass(frozen=True, slots=True)
class Line:
    """Pooling along one axis: ``size`` cells, windows of ``kernel`` cells every ``stride``, ``count`` of them."""

    size: int
    kernel: int
    stride: int
    pad: int
    count: int
    end: int

    def place(self, cell: int) -> tuple[slice, slice]:
        """Where kernel cell ``cell`` lies inside the image: which windows, and which image cells."""
        offset = cell - self.pad
        first = max(0, -(offset // self.stride))
        last = min(self.count - 1, (self.size - 1 - offset) // self.stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride + offset
        return slice(first, last + 1), slice(start, last * self.stride + offset + 1, self.stride)

    def lengths(self) -> Array:
        """What each window counts for in AVE: padding, but nothing beyond size + pad; may be 0 or negative."""
        start = np.arange(self.count) * self.stride - self.pad
        return np.asarray(np.minimum(start + self.kernel, self.size + self.end) - start)

    def cells(self) -> Array:
        """How many cells of the image each window holds: what synopsys-caffe's AVE_EXC_PAD divides by."""
        start = np.arange(self.count) * self.stride - self.pad
        return np.asarray(np.minimum(start + self.kernel, self.size) - np.maximum(start, 0))


Plane = tuple[Line, Line]


Pair = tuple[int, int]


def planes(x: Array, kernel: Pair, stride: Pair, pad: Pair, *, floor: bool, ends: Pair | None = None) -> Plane:
    """``PoolingLayer::Reshape``; ``ends`` is the padding behind, if it is another. Raises InvalidNetError as it does."""
    ends = pad if ends is None else ends
    if x.ndim != 4:
        raise InvalidNetError(f"Pooling needs a bottom of 4 axes, not {x.ndim}")
    round_to = math.floor if floor else math.ceil
    counts = [
        round_to((n + p + e - k) / s) + 1 for n, k, s, p, e in zip(x.shape[2:], kernel, stride, pad, ends, strict=True)
    ]
    if any(pad) or any(ends):
        # Only with padding, and then on both axes, must the last window start inside the padded image.
        counts = [
            count - 1 if (count - 1) * s >= n + p else count
            for count, n, s, p in zip(counts, x.shape[2:], stride, pad, strict=True)
        ]
    if min(counts) < 1:
        raise InvalidNetError(f"a kernel of {kernel} does not fit into {x.shape[2:]} with a pad of {pad}")
    lines = [Line(*values) for values in zip(x.shape[2:], kernel, stride, pad, counts, ends, strict=True)]
    return lines[0], lines[1]


def maximum(x: Array, plane: Plane) -> Array:
    """The greatest value of each window; padding never wins, and a window without cells gives -FLT_MAX."""
    for axis, line in zip((2, 3), plane, strict=True):
        shape = list(x.shape)
        shape[axis] = line.count
        y = np.full(shape, LOWEST, x.dtype)
        for cell in range(line.kernel):
            to, source = line.place(cell)
            view = y[:, :, to] if axis == 2 else y[..., to]
            np.fmax(view, x[:, :, source] if axis == 2 else x[..., source], out=view)
        x = y
    return x


def masked_maximum(x: Array, plane: Plane) -> tuple[Array, Array]:
    """The maxima, and where they are: h * W + w, the first of equals, -1 where nothing is above -FLT_MAX."""
    rows, columns = plane
    y = np.full((*x.shape[:2], rows.count, columns.count), LOWEST, x.dtype)
    mask = np.full(y.shape, -1, x.dtype)
    index = np.arange(rows.size * columns.size, dtype=x.dtype).reshape(rows.size, columns.size)
    for i, j in itertools.product(range(rows.kernel), range(columns.kernel)):
        (to_h, h), (to_w, w) = rows.place(i), columns.place(j)
        values, best = x[:, :, h, w], y[:, :, to_h, to_w]
        better = values > best
        np.copyto(best, values, where=better)
        np.copyto(mask[:, :, to_h, to_w], index[h, w], where=better)
    return y, mask


def average(x: Array, plane: Plane, *, padded: bool = True) -> Array:
    """The sum of each window by its length; a length of 0 gives NaN, a negative one -0.0, as the division does."""
    for axis, line in zip((2, 3), plane, strict=True):
        shape = list(x.shape)
        shape[axis] = line.count
        y = np.zeros(shape, x.dtype)
        for cell in range(line.kernel):
            to, source = line.place(cell)
            if axis == 2:
                y[:, :, to] += x[:, :, source]
            else:
                y[..., to] += x[..., source]
        x = y
    rows, columns = (line.lengths() if padded else line.cells() for line in plane)
    return np.asarray(x / np.outer(rows, columns).astype(x.dtype))


def pooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """pooling_layer.cpp; the second top of MAX says where in the plane the maximum was."""
    expect(layer, bottoms, 1)
    x, p = bottoms[0], layer.parameter.pooling_param
    kernel, stride, pad = _kernel(p, x), _pair(p, "stride"), _pair(p, "pad")
    _check(p, kernel, stride, pad)
    given = fields(layer, "pooling_param")
    top, bottom, left, right = (given.integer(f"pad_{side}", 0) for side in "tblr")
    ends = None
    if top or bottom or left or right:
        pad, ends = (top, left), (bottom, right)
    if given.integer("pad_type", 0) == 1:
        plane = _same(x, kernel, stride)
    else:
        plane = planes(x, kernel, stride, pad, floor=_floors(layer), ends=ends)
    method = _method(p)
    if method == "MAX":
        return list(masked_maximum(x, plane)) if layer.tops > 1 else [maximum(x, plane)]
    return [average(x, plane, padded=method == "AVE")]


def _same(x: Array, kernel: Pair, stride: Pair) -> Plane:
    """synopsys-caffe's ``pad_type: 1``: ceil(size / stride) windows; what padding they need is halved, more of it behind."""
    if x.ndim != 4:
        raise InvalidNetError(f"Pooling needs a bottom of 4 axes, not {x.ndim}")
    lines = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        count = -(-size // s)
        total = max(k - s if size % s == 0 else k - size % s, 0)
        lines.append(Line(size, k, s, total // 2, count, total - total // 2))
    return lines[0], lines[1]


def _method(p: Any) -> str:
    name = str(p.DESCRIPTOR.fields_by_name["pool"].enum_type.values_by_number[p.pool].name)
    if name in ("AVE_EXC_PAD", "AVE_TF") and p.DESCRIPTOR.name == "PoolingParameter":
        return "AVE_EXC_PAD"
    if name not in ("MAX", "AVE"):
        raise unsupported(f"{name} pooling does not exist on the CPU")
    return name


def _pair(p: Any, name: str) -> tuple[int, int]:
    """``stride`` or ``pad``, or its ``_h`` and ``_w``, which must both be there."""
    halves = [p.HasField(f"{name}_{axis}") for axis in "hw"]
    if any(halves) and (not all(halves) or p.HasField(name)):
        raise InvalidNetError(f"give either {name}, or {name}_h and {name}_w")
    if any(halves):
        return getattr(p, f"{name}_h"), getattr(p, f"{name}_w")
    return getattr(p, name), getattr(p, name)


def _kernel(p: Any, x: Array) -> tuple[int, int]:
    given = p.HasField("kernel_size"), p.HasField("kernel_h") and p.HasField("kernel_w")
    if p.global_pooling:
        if p.HasField("kernel_size") or p.HasField("kernel_h") or p.HasField("kernel_w"):
            raise InvalidNetError("global_pooling excludes a kernel size")
        return (x.shape[2], x.shape[3]) if x.ndim == 4 else (1, 1)
    if given[0] == given[1]:
        raise InvalidNetError("give either kernel_size, or kernel_h and kernel_w")
    return (p.kernel_size, p.kernel_size) if given[0] else (p.kernel_h, p.kernel_w)


def _check(p: Any, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> None:
    if p.global_pooling and (any(pad) or stride != (1, 1)):
        raise InvalidNetError("global_pooling excludes pad and stride")
    if min(kernel) < 1 or min(stride) < 1:
        raise InvalidNetError(f"kernel {kernel} and stride {stride} must be positive")
    if any(q >= k for q, k in zip(pad, kernel, strict=True)):
        raise InvalidNetError(f"pad {pad} must be less than the kernel {kernel}")


def _floors(layer: Layer) -> bool:
    """``round_mode: FLOOR``; several forks write ``ceil_mode: false``, NVIDIA's ``torch_pooling: true``."""
    p = layer.parameter.pooling_param
    floor = bool(p.round_mode == p.DESCRIPTOR.enum_values_by_name["FLOOR"].number)
    given = fields(layer, "pooling_param")
    if p.HasField("round_mode") or given.has("ceil_mode"):
        return floor or not given.flag("ceil_mode", default=True)
    return given.flag("torch_pooling", default=False)


def spp(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """spp_layer.cpp: pooling into 1, 2×2, 4×4, … bins, flattened and joined; one level alone is not flattened."""
    x, p = bottoms[0], layer.parameter.spp_param
    if x.ndim != 4 or p.pyramid_height < 1:
        raise InvalidNetError("SPP needs a bottom of 4 axes and a positive pyramid_height")
    pool = maximum if _method(p) == "MAX" else average
    levels = [pool(x, _level(x, 2**level)) for level in range(p.pyramid_height)]
    if len(levels) == 1:
        return levels
    return [np.concatenate([matrix(level, 1) for level in levels], axis=1)]


def _level(x: Array, bins: int) -> Plane:
    h, w = x.shape[2:]
    kernel = (-(-h // bins), -(-w // bins))
    pad = ((kernel[0] * bins - h + 1) // 2, (kernel[1] * bins - w + 1) // 2)
    if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
        raise InvalidNetError(f"{bins} bins are too many for {h}×{w}: pad {pad} must be less than kernel {kernel}")
    return planes(x, kernel, kernel, pad, floor=False)


LAYERS: dict[str, Rule] = {"Pooling": pooling, "SPP": spp}

DISCONTINUOUS: frozenset[str] = frozenset()
