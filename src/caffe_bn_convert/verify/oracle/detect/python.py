"""Two classes of Python layers of synopsys-caffe (examples/python_layers/shape.py and eltwise.py); nothing is run."""

from __future__ import annotations

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


PYTHON_CLASSES = {("shape", "TensorShape"): tensor_shape, ("eltwise", "Eltwise"): eltwise}
"""By module and class."""
