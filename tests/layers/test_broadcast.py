from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

SHAPES = [((2, 3, 7, 9), (2, 3, 7, 9)), ((2, 3, 7, 9), (2, 3, 1, 1)), ((2, 3, 7, 9), (7, 1)), ((9,), (2, 3, 7, 9)),
          ((2, 1, 7, 1), (3, 1, 9))]  # fmt: skip


@pytest.mark.parametrize("kind", ["Add", "Mul", "Maximum"])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_two_bottoms(tmp_path, kind, a, b):
    inputs = {"data": values("data", *a), "other": values("other", *b)}
    text = input_layer(*a) + input_layer(*b, name="other") + layer(kind, "y", "data other")
    wanted = check_by_oracle(tmp_path, text, inputs)["y"]
    by_hand = {"Add": np.add, "Mul": np.multiply, "Maximum": np.maximum}[kind](inputs["data"], inputs["other"])
    np.testing.assert_array_equal(wanted, by_hand)


def test_a_learned_factor(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Mul", "y", rest="mul_param { mul_shape: 3 mul_shape: 1 mul_shape: 9 }")
    weights = {"y": [values("w", 3, 1, 9)]}
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)}, weights)
    with pytest.raises(cbc.ConversionError, match="no weights"):
        cbc.convert(write_net(tmp_path, text)[0], allow="all")


def test_dynamic(tmp_path):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 3, 1, 1, name="other") + layer("Mul", "y", "data other")
    check_dynamic(tmp_path, text, {"N": 4, "H": 5}, data=("N", 3, "H", 9), other=("N", 3, 1, 1))


def test_mask_pooling(tmp_path):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 1, 7, 9, name="m") + layer("MaskPooling", "y", "data m")
    inputs = {"data": values("data", 2, 3, 7, 9), "m": values("m", 2, 1, 7, 9)}
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, inputs)["y"], inputs["data"] * inputs["m"])


@pytest.mark.parametrize("rest", ["", "channel_scale_param { do_forward: false }"])
def test_channel_scale(tmp_path, rest):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 1, 7, 9, name="s") + layer("ChannelScale", "y", "data s", rest=rest)
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9), "s": values("s", 2, 1, 7, 9)})


@pytest.mark.parametrize(("stored", "tops"), [(5.0, "y"), (-3.0, "y"), (2000.0, "y z")])
def test_one_scale_for_all(tmp_path, stored, tops):
    rest = "channel_scale_param { global_scale: true min_global_scale: 0.5 }"
    text = input_layer(2, 3, 7, 9) + input_layer(2, 1, 7, 9, name="s")
    text += layer("ChannelScale", "y", "data s", tops, rest=rest)
    inputs = {"data": values("data", 2, 3, 7, 9), "s": values("s", 2, 1, 7, 9)}
    wanted = check_by_oracle(tmp_path, text, inputs, {"y": [np.array([stored])]})
    np.testing.assert_allclose(wanted["y"], inputs["data"] * np.clip(stored, 0.5, 1000), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (input_layer(2, 3) + layer("Add", "y"), "another fork's"),
        (input_layer(2, 3) + input_layer(2, 4, name="b") + layer("Add", "y", "data b"), "2x3 and 2x4"),
        (input_layer(2, 3, 7, 9) + input_layer(2, 3, 7, 9, name="b") + layer("MaskPooling", "y", "data b"), "mask is"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
