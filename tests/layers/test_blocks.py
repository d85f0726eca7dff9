from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 5, 7, 9)


def shape(name, *dims):
    return f"{name}_shape {{ {' '.join(f'dim: {dim}' for dim in dims)} }} "


def convolution(rest):
    return input_layer(2, 3, 5, 7, 9) + layer(
        "NdConvolution", "y", rest=f"convolution_param {{ num_output: 6 {rest} }}"
    )


def pooling(rest, *dims):
    return input_layer(*(dims or (2, 3, 5, 7, 9))) + layer("NdPooling", "y", rest=f"pooling_param {{ {rest} }}")


@pytest.mark.parametrize(
    ("rest", "kernel"),
    [
        (shape("kernel", 3, 2, 1) + shape("pad", 1, 0, 0) + shape("stride", 1, 2, 3), (3, 2, 1)),
        (shape("kernel", 2, 3, 4) + "group: 3 bias_term: false", (2, 3, 4)),
    ],
)
def test_convolution_is_the_usual_one(tmp_path, rest, kernel):
    grouped = "group" in rest
    weights = {"y": [values("w", 6, 1 if grouped else 3, *kernel), *([] if grouped else [values("b", 6)])]}
    check_by_oracle(tmp_path, convolution(rest), {"data": X}, weights)


@pytest.mark.parametrize(
    "rest",
    [
        "pool: MAX " + shape("kernel", 1, 2, 2) + shape("stride", 1, 2, 2),
        "pool: MAX " + shape("kernel", 2, 3, 3) + shape("stride", 2, 2, 3) + shape("pad", 0, 1, 2),
        "pool: AVE " + shape("kernel", 1, 3, 3) + shape("stride", 1, 2, 3),
        "pool: MAX global_pooling: true",
    ],
)
def test_pooling(tmp_path, rest):
    check_by_oracle(tmp_path, pooling(rest), {"data": X})


def test_pooling_by_hand(tmp_path):
    wanted = check_by_oracle(
        tmp_path, pooling("pool: MAX " + shape("kernel", 2, 2) + shape("stride", 2, 2), 1, 1, 4, 6),
        {"data": np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)},
    )  # fmt: skip
    np.testing.assert_array_equal(wanted["y"][0, 0], [[7, 9, 11], [19, 21, 23]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (convolution("kernel_size: 3"), "takes kernel_shape"),
        (convolution(shape("kernel", 3, 3)), "for 3 spatial axes"),
        (pooling("pool: AVE " + shape("kernel", 2, 2, 2) + shape("stride", 2, 2, 2)), "stick out"),
        (pooling("pool: MAX kernel_size: 2"), "either kernel_shape or global_pooling"),
        (pooling("pool: STOCHASTIC " + shape("kernel", 2)), "MAX and AVE are supported"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
