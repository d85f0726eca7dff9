"""Nodes that many layers need: a factor and a shift, a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.net.dim import fixed, is_fixed

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter, Tensor


def linear(e: Emitter, x: str, scale: float | np.float32, shift: float = 0.0) -> str:
    """``scale * x + shift`` by the nodes that do something."""
    if scale != 1:
        x = str(e.op("Mul", x, e.constant(scale, "scale")))
    return str(e.op("Add", x, e.constant(shift, "shift"))) if shift != 0 else x


def filled(e: Emitter, like: Tensor, value: np.float32) -> str:
    """A tensor of the shape of ``like`` that holds nothing but ``value``."""
    shape = e.ints(fixed(like.shape), "shape") if is_fixed(like.shape) else e.op("Shape", like.name)
    return str(e.op("ConstantOfShape", shape, value=np.array([value], np.float32)))
