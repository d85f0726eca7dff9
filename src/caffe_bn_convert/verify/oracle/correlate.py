"""The arithmetic of convolutions on arrays (batch, channels, spatial…), in bounded memory."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .layer import Array

COLUMN_BYTES = 64 << 20
"""At most so many bytes of columns are held at once."""

Ints = tuple[int, ...]
Index = tuple[Any, ...]
ALL = slice(None)


def output_size(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """``ConvolutionLayer::compute_output_shape`` in conv_layer.cpp.

    C++ divides towards zero: a kernel that is too large by less than the stride still has one place, and sticks out.
    """
    room = size + 2 * pad - (dilation * (kernel - 1) + 1)
    count = (abs(room) // stride if room >= 0 else -(abs(room) // stride)) + 1
    if count < 1:
        raise InvalidNetError(f"a kernel that spans {dilation * (kernel - 1) + 1} does not fit into {size + 2 * pad}")
    return count


def windows(x: Array, kernel: Ints, stride: Ints, pad: Ints, dilation: Ints) -> Array:
    """A read-only view (batch, channels, kernel…, output…) of the zero-padded input; no copy unless it is padded."""
    geometry = list(zip(x.shape[2:], kernel, stride, pad, dilation, strict=True))
    out = tuple(output_size(*one) for one in geometry)
    ends = [(o - 1) * s + d * (k - 1) + 1 - n - p for o, (n, k, s, p, d) in zip(out, geometry, strict=True)]
    x = padded(x, [(p, max(p, end)) for p, end in zip(pad, ends, strict=True)])
    steps = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *kernel, *out),
        (
            *x.strides[:2],
            *(step * d for step, d in zip(steps, dilation, strict=True)),
            *(step * s for step, s in zip(steps, stride, strict=True)),
        ),
        writeable=False,
    )


def padded(x: Array, pads: list[tuple[int, int]]) -> Array:
    """Zeros before and after each spatial axis."""
    return np.pad(x, ((0, 0), (0, 0), *pads)) if any(map(any, pads)) else x


def convolve(
    x: Array, weights: Array, bias: Array | None, *, stride: Ints, pad: Ints, dilation: Ints, group: int = 1
) -> Array:
    """Correlate ``x`` (N, C, spatial…) with ``weights`` (M, C / group, kernel…); returns (N, M, output…).

    Raises InvalidNetError if the kernel does not fit into the padded input.
    """
    if not stride:  # no spatial axes: an inner product
        y = convolve(x[..., None], weights[..., None], bias, stride=(1,), pad=(0,), dilation=(1,), group=group)
        return y[..., 0]
    kernel = weights.shape[2:]
    view = windows(x, kernel, stride, pad, dilation)
    if group > 1 and group == x.shape[1]:
        y = _depthwise(view, weights)
    elif math.prod(kernel) == 1:
        only: Index = (ALL, ALL, *(0,) * len(kernel))
        y = _pointwise(view[only], weights, group)
    else:
        y = _columns(view, weights, group)
    return _biased(y, bias)


def _biased(y: Array, bias: Array | None) -> Array:
    if bias is not None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y


def _pointwise(x: Array, weights: Array, group: int) -> Array:
    """A kernel of one cell: one matrix product, no columns."""
    n, c = x.shape[:2]
    y = weights.reshape(group, -1, c // group) @ x.reshape(n, group, c // group, math.prod(x.shape[2:]))
    return y.reshape(n, weights.shape[0], *x.shape[2:])


def _depthwise(view: Array, weights: Array) -> Array:
    """One input channel a group: no matrix product, one pass a kernel cell."""
    axes = weights.ndim - 2
    n, c = view.shape[:2]
    many = weights.shape[0] // c
    y = np.zeros((n, c, many, *view.shape[2 + axes :]), view.dtype)
    w = weights.reshape(c, many, *weights.shape[2:])
    for cell in itertools.product(*map(range, weights.shape[2:])):
        here: Index = (ALL, ALL, *cell)
        y += view[here][:, :, None] * w[here].reshape(c, many, *(1,) * axes)
    return y.reshape(n, c * many, *y.shape[3:])


def _columns(view: Array, weights: Array, group: int) -> Array:
    """im2col and a matrix product, for as many output rows at a time as COLUMN_BYTES allow."""
    axes = weights.ndim - 2
    n, c = view.shape[:2]
    cells, out = math.prod(weights.shape[2:]), view.shape[2 + axes :]
    w = weights.reshape(group, -1, c // group * cells)
    y = np.empty((n, weights.shape[0], *out), view.dtype)
    rows = max(1, COLUMN_BYTES // (c * cells * math.prod(out[1:]) * view.itemsize))
    for item, start in itertools.product(range(n), range(0, out[0], rows)):
        part: Index = (item, *(ALL,) * (1 + axes), slice(start, start + rows))
        columns = view[part].reshape(group, c // group * cells, -1)
        y[item, :, start : start + rows] = (w @ columns).reshape(weights.shape[0], -1, *out[1:])
    return y


def deconvolve(
    x: Array, weights: Array, bias: Array | None, *, stride: Ints, pad: Ints, dilation: Ints, group: int = 1
) -> Array:
    """Spread ``x`` (N, C, spatial…) by ``weights`` (C, M / group, kernel…); returns (N, M, output…).

    The output has stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad cells an axis (deconv_layer.cpp). Raises
    InvalidNetError if that is less than one.
    """
    kernel = weights.shape[2:]
    n, c = x.shape[:2]
    full = tuple(
        s * (size - 1) + d * (k - 1) + 1 for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    )
    if any(size - 2 * p < 1 for size, p in zip(full, pad, strict=True)):
        raise InvalidNetError(f"a pad of {pad} leaves nothing of an output of {full}")
    y = np.zeros((n, group, weights.shape[1], *full), x.dtype)
    w = weights.reshape(group, c // group, weights.shape[1], *kernel)
    for cell in itertools.product(*map(range, kernel)):
        here: Index = (ALL, ALL, ALL, *cell)
        place = [
            slice(i * d, i * d + s * (size - 1) + 1, s)
            for i, d, s, size in zip(cell, dilation, stride, x.shape[2:], strict=True)
        ]
        for item, values in _spread(x.reshape(n, group, c // group, *x.shape[2:]), w[here]):
            there: Index = (item, ALL, ALL, *place)
            y[there] += values
    inner: Index = (ALL, ALL, *(slice(p, size - p) for p, size in zip(pad, full, strict=True)))
    return _biased(y.reshape(n, group * weights.shape[1], *full)[inner].copy(), bias)


def _spread(x: Array, w: Array) -> Iterator[tuple[int, Array]]:
    """For each item of the batch: x (group, c, spatial…) times w (group, c, m) over c, as (group, m, spatial…)."""
    group, c, m = w.shape
    for item, values in enumerate(x):
        if c == 1:
            yield item, values * w.reshape(group, m, *(1,) * (x.ndim - 3))
        else:
            flat = w.transpose(0, 2, 1) @ values.reshape(group, c, -1)
            yield item, flat.reshape(group, m, *values.shape[2:])
