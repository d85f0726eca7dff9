"""The nodes that normalise: by stored statistics, by those of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from caffe_bn_convert.export.emitter import Emitter, Tensor

    Float64 = np.ndarray[Any, np.dtype[np.float64]]


def emit_batch_normalization(
    e: Emitter, x: Tensor, scale: Float64, bias: Float64, mean: Float64, variance: Float64, eps: float
) -> str:
    """One ONNX BatchNormalization; every parameter is rounded to float32 once."""
    names = [
        e.constant(values, role)
        for role, values in (("scale", scale), ("bias", bias), ("mean", mean), ("variance", variance))
    ]
    return str(e.op("BatchNormalization", x.name, *names, epsilon=eps))


def normalized_by_batch(e: Emitter, x: Tensor, eps: float, *, outside: bool = False) -> str:
    """ReduceMean and friends: mean and biased variance over every axis but 1; a 1-D blob is a single channel.

    With ``outside`` eps is added to the variance's root.
    """
    return normalized_with_statistics(e, x, eps, outside=outside)[0]


def normalized_with_statistics(e: Emitter, x: Tensor, eps: float, *, outside: bool = False) -> tuple[str, str, str]:
    """The same with the mean and the variance, whose axes other than 1 have one cell."""
    axes = [i for i in range(len(x.shape)) if i != 1 or len(x.shape) == 1]
    mean = e.reduce("Mean", x.name, axes, keepdims=True)
    centred = e.op("Sub", x.name, mean)
    variance = e.reduce("Mean", e.op("Mul", centred, centred), axes, keepdims=True)
    small = e.constant(eps, "eps")
    root = e.op("Add", e.op("Sqrt", variance), small) if outside else e.op("Sqrt", e.op("Add", variance, small))
    return str(e.op("Div", centred, root)), str(mean), str(variance)
