"""Convolution, Deconvolution and Im2col over any number of spatial axes (Caffe's base_conv_layer.cpp)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .correlate import convolve, deconvolve, windows
from .fields import fields
from .filler import weight
from .layer import canonical

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule


@dataclass(frozen=True, slots=True)
class Geometry:
    """``convolution_param`` for one bottom: ``axis`` is that of the channels, the rest is by spatial axis."""

    axis: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]


def geometry(layer: Layer, x: Array) -> Geometry:
    """Read the geometry as ``BaseConvolutionLayer::LayerSetUp`` does; raises InvalidNetError where that aborts."""
    p = layer.parameter.convolution_param
    axis = canonical(p.axis, x.ndim)
    axes = x.ndim - axis - 1
    kernel = _spatial(p, "kernel_size", ("kernel_h", "kernel_w"), axes, None)
    stride = _spatial(p, "stride", ("stride_h", "stride_w"), axes, 1)
    pad = _spatial(p, "pad", ("pad_h", "pad_w"), axes, 0)
    if not all(kernel) or not all(stride):
        raise InvalidNetError(f"kernel {kernel} and stride {stride} must be positive")
    return Geometry(axis, kernel, stride, pad, _dilation(layer, axes))


def _spatial(p: Any, name: str, pair: tuple[str, str], axes: int, default: int | None) -> tuple[int, ...]:
    """By spatial axis, from the repeated field or the ``_h``/``_w`` pair; an absent half of a pair is 0."""
    values = tuple(getattr(p, name))
    if any(p.HasField(field) for field in pair):
        if axes != 2 or values:
            raise InvalidNetError(f"{pair[0]} and {pair[1]} are for 2 spatial axes, and exclude {name}")
        return tuple(getattr(p, field) for field in pair)
    return _spread(name, values, axes, default)


def _spread(name: str, values: tuple[int, ...], axes: int, default: int | None) -> tuple[int, ...]:
    if not values and default is not None:
        return (default,) * axes
    if len(values) not in (1, axes):
        raise InvalidNetError(f"{name} is given {len(values)} times for {axes} spatial axes")
    return values * axes if len(values) == 1 else values


def _dilation(layer: Layer, axes: int) -> tuple[int, ...]:
    """``dilation``; DeepLab calls it ``hole`` (``hole_h``, ``hole_w``), FCN's fork ``filter_stride``."""
    values = tuple(layer.parameter.convolution_param.dilation)
    given = fields(layer, "convolution_param")
    holes = tuple(given.integer(name, given.integer("hole", 1)) for name in ("hole_h", "hole_w"))
    if holes == (1, 1):
        plain = given.integer("filter_stride", 1)
        holes = tuple(given.integer(f"filter_stride_{axis}", plain) for axis in "hw")
    if holes == (1, 1):
        holes = tuple(given.integer(f"dilation_{axis}", 1) for axis in "hw")
    if not values and holes != (1, 1):
        if axes != 2:
            raise InvalidNetError("hole is for 2 spatial axes")
        return holes
    return _spread("dilation", values, axes, 1)


def _bordered(layer: Layer, x: Array) -> Array:
    """The bottom in the border of zeros that synopsys-caffe's ``pad_t``, ``pad_b``, ``pad_l`` and ``pad_r`` say."""
    given = fields(layer, "convolution_param")
    top, bottom, left, right = (given.integer(f"pad_{side}", 0) for side in "tblr")
    if not (top or bottom or left or right):
        return x
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)])


def _groups(layer: Layer, channels: int) -> tuple[int, int]:
    """``(num_output, group)``, checked."""
    p = layer.parameter.convolution_param
    if p.num_output < 1 or p.group < 1:
        raise InvalidNetError("num_output and group must be positive")
    if channels % p.group or p.num_output % p.group:
        raise InvalidNetError(f"group {p.group} must divide {channels} channels and num_output {p.num_output}")
    return p.num_output, p.group


def _same(bottoms: list[Array]) -> None:
    if any(bottom.shape != bottoms[0].shape for bottom in bottoms):
        raise InvalidNetError("all bottoms of a convolution must have one shape")


def _bias(layer: Layer, blobs: Blobs, count: int) -> Array | None:
    p = layer.parameter.convolution_param
    return weight(layer, blobs, 1, (count,), p.bias_filler) if p.bias_term else None


def convolution(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """conv_layer.cpp: every bottom with the same weights (num_output, channels / group, kernel…)."""
    _same(bottoms)
    g = geometry(layer, bottoms[0])
    outputs, group = _groups(layer, bottoms[0].shape[g.axis])
    shape = (outputs, bottoms[0].shape[g.axis] // group, *g.kernel)
    w = weight(layer, blobs, 0, shape, layer.parameter.convolution_param.weight_filler)
    b = _bias(layer, blobs, outputs)
    return [
        _around(
            _bordered(layer, x), g.axis,
            lambda y: convolve(y, w, b, stride=g.stride, pad=g.pad, dilation=g.dilation, group=group),
        )
        for x in bottoms
    ]  # fmt: skip


def deconvolution(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """deconv_layer.cpp: the convolution's backward pass, weights (channels, num_output / group, kernel…)."""
    _same(bottoms)
    g = geometry(layer, bottoms[0])
    outputs, group = _groups(layer, bottoms[0].shape[g.axis])
    shape = (bottoms[0].shape[g.axis], outputs // group, *g.kernel)
    w = weight(layer, blobs, 0, shape, layer.parameter.convolution_param.weight_filler)
    b = _bias(layer, blobs, outputs)
    return [
        _around(x, g.axis, lambda y: deconvolve(y, w, b, stride=g.stride, pad=g.pad, dilation=g.dilation, group=group))
        for x in bottoms
    ]


def im2col(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """im2col_layer.cpp: each window a column, (…, channels * kernel cells, output…)."""
    g = geometry(layer, bottoms[0])

    def columns(x: Array) -> Array:
        view = windows(x, g.kernel, g.stride, g.pad, g.dilation)
        return view.reshape(x.shape[0], x.shape[1] * math.prod(g.kernel), *view.shape[2 + len(g.kernel) :])

    return [_around(x, g.axis, columns) for x in bottoms]


def _around(x: Array, axis: int, inner: Any) -> Array:
    """Apply ``inner`` with all axes before the channels as one batch."""
    y = inner(x.reshape(math.prod(x.shape[:axis]), *x.shape[axis:]))
    return y.reshape(*x.shape[:axis], *y.shape[1:])  # type: ignore[no-any-return]


LAYERS: dict[str, Rule] = {"Convolution": convolution, "Deconvolution": deconvolution, "Im2col": im2col}

DISCONTINUOUS: frozenset[str] = frozenset()
