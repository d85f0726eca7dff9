"""A net with dynamic axes must compute what the net with those sizes written down computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

import caffe_bn_convert as cbc
from tests.golden import OPSETS, run, values
from tests.nets import write_net

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.conversion import Conversion


def shape_of(conversion: Conversion, output: str) -> list[int | str]:
    """The declared shape of an output, names for dynamic axes."""
    info = next(o for o in conversion.to_onnx().graph.output if o.name == output)
    return [dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim]


def check_dynamic(
    folder: Path,
    text: str,
    sizes: dict[str, int],
    weights: dict[str, list[np.ndarray]] | None = None,
    **shapes: tuple[int | str, ...],
) -> Conversion:
    """Convert with ``shapes``, whose names stand for ``sizes``, and with numbers in their place; compare the results.

    Nothing but the declared sizes differs, so the numbers must be equal bit for bit.
    """
    prototxt, file = write_net(folder, text, weights)
    numbers = {name: tuple(sizes.get(dim, dim) for dim in shape) for name, shape in shapes.items()}
    inputs = {name: values(name, *shape) for name, shape in numbers.items()}
    for opset in OPSETS:
        conversion = cbc.convert(prototxt, file, shapes=shapes, opset=opset)
        fixed = run(cbc.convert(prototxt, file, shapes=numbers, opset=opset), inputs)
        got = run(conversion, inputs)
        assert got.keys() == fixed.keys()
        for name, wanted in fixed.items():
            np.testing.assert_array_equal(got[name], wanted, err_msg=f"{name} at opset {opset}")
    onnx.checker.check_model(conversion.to_onnx(), full_check=True)
    return conversion
