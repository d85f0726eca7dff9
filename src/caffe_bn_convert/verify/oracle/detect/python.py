"""Classes of Python layers of synopsys-caffe (python/shape.py, eltwise.py, reshape.py) and ENet; nothing is run."""

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


PYTHON_CLASSES = {
    ("shape", "TensorShape"): tensor_shape,
    ("eltwise", "Eltwise"): eltwise,
    ("reshape", "Reshape"): reshape,
    ("spatial_dropout", "SpatialDropoutLayer"): spatial_dropout,
}
"""By module and class."""
