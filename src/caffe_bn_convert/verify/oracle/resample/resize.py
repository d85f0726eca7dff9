"""TensorFlow's resizing as synopsys-caffe has it (resize_bilinear_layer.cpp, resize_nearest_neighbor_layer.cpp).

Where a sample falls is computed in float32, whatever the layer's dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

_QUANTISED = ("input_scale", "input_zero_point", "output_scale", "output_zero_point", "saturate")


def _axes(given: Fields, x: Array) -> tuple[int, int]:
    """Axes of height and width; NHWC unless ``data_format`` says otherwise."""
    layout = given.word("data_format", "NHWC")
    if layout not in ("NHWC", "NCHW") or x.ndim != 4:
        raise UnsupportedError(f"data_format {layout} of a bottom with {x.ndim} axes")
    return (1, 2) if layout == "NHWC" else (2, 3)


def _size(given: Fields, name: str, old: int) -> int:
    """``output_<name>``, else the old size times ``scale_<name>`` rounded down."""
    scaled = int(np.floor(np.float32(old) * np.float32(given.number(f"scale_{name}", 1))))
    size = given.integer(f"output_{name}", scaled)
    if size < 1:
        raise InvalidNetError(f"the output {name} would be {size}")
    return size


def _ratio(size: int, old: int, *, aligned: bool) -> np.float32:
    """``CalculateResizeScale``."""
    if aligned and size > 1:
        return np.float32(old - 1) / np.float32(size - 1)
    return np.float32(old) / np.float32(size)


def _one_rule(given: Fields, *names: str) -> str | None:
    rules = [name for name in names if given.flag(name, default=False)]
    if len(rules) > 1:
        raise InvalidNetError(f"{rules[0]} and {rules[1]} exclude each other")
    return rules[0] if rules else None


def resize_bilinear(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ResizeBilinear``: corners aligned, half pixel centres (TensorFlow's or PyTorch's) or neither."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "resize_bilinear_param"), bottoms[0]
    if any(given.has(name) for name in _QUANTISED):
        raise UnsupportedError("ResizeBilinear of quantised values")
    rule = _one_rule(given, "align_corners", "half_pixel_centers", "pytorch_half_pixel")
    for axis, name in zip(_axes(given, x), ("height", "width"), strict=True):
        x = _lerp(x, axis, _size(given, name, x.shape[axis]), rule)
    return [x]


def _lerp(x: Array, axis: int, size: int, rule: str | None) -> Array:
    old, index, half = x.shape[axis], np.arange(size, dtype=np.float32), np.float32(0.5)
    place = index * _ratio(size, old, aligned=rule == "align_corners")
    if rule in ("half_pixel_centers", "pytorch_half_pixel"):
        place = (index + half) * _ratio(size, old, aligned=False) - half
    if rule == "pytorch_half_pixel" and size == 1:
        place = np.array([-0.5], np.float32)
    floor = np.floor(place)
    low = x.take(np.maximum(floor, 0).astype(np.int64), axis)
    high = x.take(np.minimum(np.ceil(place), old - 1).astype(np.int64), axis)
    share = (place - floor).astype(x.dtype).reshape([-1 if other == axis else 1 for other in range(x.ndim)])
    mixed: Array = low + (high - low) * share
    return mixed


def resize_nearest_neighbor(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ResizeNearestNeighbor``: rounds down, or (corners aligned) to the nearest with halves up."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "resize_nearest_neighbor_param"), bottoms[0]
    rule = _one_rule(given, "align_corners", "half_pixel_centers", "half_pixel_onnx")
    for axis, name in zip(_axes(given, x), ("height", "width"), strict=True):
        size = _size(given, name, x.shape[axis])
        x = x.take(_nearest(size, x.shape[axis], rule), axis)
    return [x]


def _nearest(size: int, old: int, rule: str | None) -> Array:
    index, half = np.arange(size, dtype=np.float32), np.float32(0.5)
    ratio = _ratio(size, old, aligned=rule == "align_corners")
    if rule == "align_corners":
        place = np.floor((index * ratio).astype(np.float64) + 0.5)
    elif rule is None:
        place = np.floor(index * ratio)
    else:
        place = np.floor((index + half) * ratio - (half if rule == "half_pixel_onnx" else np.float32(0)))
    return place.astype(np.int64).clip(0, old - 1)
