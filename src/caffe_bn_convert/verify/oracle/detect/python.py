"""Classes of Python layers of synopsys-caffe (python/shape.py, eltwise.py, reshape.py, yolov2.py, pad.py) and of ENet."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.verify.oracle.layer import Array, Layer


def tensor_shape(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``shape.TensorShape``: ``numpy.shape``."""
    expect(layer, bottoms, 1)
    return [np.array(bottoms[0].shape, layer.dtype)]


def eltwise(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``eltwise.Eltwise``: 0 product, 1 sum with ``coeff``, 2 maximum, 3 quotient, 4 minimum, all with broadcasting."""
    expect(layer, bottoms, 2)
    text = layer.parameter.python_param.param_str
    kind, coeff = re.search(r"'operation'\s*:\s*(\d+)", text), re.search(r"'coeff'\s*:\s*\[([^\]]*)\]", text)
    if kind is None:
        raise InvalidNetError("param_str of Eltwise must have operation")
    a, b = bottoms
    by = [layer.dtype.type(number) for number in coeff.group(1).split(",")] if coeff else [1, 1]
    operation: Callable[[], Array] | None = {
        "0": lambda: a * b, "1": lambda: by[0] * a + by[1] * b, "2": lambda: np.maximum(a, b),
        "3": lambda: a / b, "4": lambda: np.minimum(a, b),
    }.get(kind.group(1))  # fmt: skip
    if operation is None:
        raise InvalidNetError("operation of Eltwise must be 0 to 4")
    return [operation()]


def reshape(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``reshape.Reshape``: sizes from the second bottom, cut to integers; where one is -1 the *last* gets the rest."""
    expect(layer, bottoms, 2)
    shape = [int(size) for size in bottoms[1].ravel()]
    if -1 in shape:
        shape[-1] = bottoms[0].size // math.prod(size for size in shape if size != -1)
    if any(size < 0 for size in shape) or math.prod(shape) != bottoms[0].size:
        raise InvalidNetError(f"the sizes {shape} do not hold the {bottoms[0].size} numbers of the first bottom")
    return [bottoms[0].reshape(shape)]


def spatial_dropout(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``spatial_dropout.SpatialDropoutLayer`` of ENet: times 1 / (1 - p), unless its own phase is TRAIN.

    Then it draws channels, each kept with 1 - p and scaled so; what is rendered is their mean, the bottom.
    """
    expect(layer, bottoms, 1)
    text = layer.parameter.python_param.param_str
    phase, p = re.search(r"'phase'\s*:\s*'(\w*)'", text), re.search(r"'p'\s*:\s*'?([\d.eE+-]+)", text)
    if phase is None or p is None:
        raise InvalidNetError("param_str of SpatialDropoutLayer must have phase and p")
    return [bottoms[0] if phase.group(1) == "TRAIN" else bottoms[0] * layer.dtype.type(1 / (1 - float(p.group(1))))]


def darknet_reorg(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``yolov2.darknet_reorg`` by the loops of ``darknet.reorg``, stride 2.

    The picture is read as if it were C/4 × 2H × 2W: cell (k, y, x) of the first shape gets the one at (k mod C/4,
    2y + row, 2x + column), where row and column are those of k ÷ C/4. That memory is 4C × H/2 × W/2.
    """
    expect(layer, bottoms, 1)
    n, c, h, w = bottoms[0].shape
    if c % 4 or h % 2 or w % 2:
        raise InvalidNetError(f"darknet_reorg takes channels in fours and even sides, not {bottoms[0].shape}")
    k, y, x = np.ogrid[:c, :h, :w]
    offset, depth = np.divmod(k, c // 4)
    found = bottoms[0].reshape(n, c // 4, 2 * h, 2 * w)[:, depth, 2 * y + offset // 2, 2 * x + offset % 2]
    return [found.reshape(n, 4 * c, h // 2, w // 2)]


def pad_tensor(layer: Layer, bottoms: list[Array]) -> list[Array]:
    """``pad.PadTensor``: ``numpy.pad`` of height and width."""
    expect(layer, bottoms, 1)
    text = layer.parameter.python_param.param_str
    sides = [re.search(rf"['\"]pad_{side}['\"]\s*:\s*['\"]?(\d+)", text) for side in "tblr"]
    mode = re.search(r"['\"]pad_mode['\"]\s*:\s*['\"](\w+)['\"]", text)
    top, bottom, left, right = (int(side.group(1)) if side else -1 for side in sides)
    if mode is None or min(top, bottom, left, right) < 0 or bottoms[0].ndim != 4:
        raise InvalidNetError("PadTensor takes 4-D blobs, pad_t, pad_b, pad_l and pad_r from 0 on and pad_mode")
    pairs = ((0, 0), (0, 0), (top, bottom), (left, right))
    if mode.group(1) == "constant":
        return [np.pad(bottoms[0], pairs)]
    if mode.group(1) == "edge":
        return [np.pad(bottoms[0], pairs, mode="edge")]
    if mode.group(1) == "reflect":
        return [np.pad(bottoms[0], pairs, mode="reflect")]
    raise InvalidNetError(f"pad_mode {mode.group(1)} of PadTensor")


PYTHON_CLASSES = {
    ("shape", "TensorShape"): tensor_shape,
    ("eltwise", "Eltwise"): eltwise,
    ("reshape", "Reshape"): reshape,
    ("spatial_dropout", "SpatialDropoutLayer"): spatial_dropout,
    ("yolov2", "darknet_reorg"): darknet_reorg,
    ("pad", "PadTensor"): pad_tensor,
}
"""By module and class."""
