from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = (
    np.concatenate([np.linspace(-40, 40, 369), [-3, 3, 0, -20, 20, -1e-3, 1e-3, 7, -7]])
    .astype(np.float32)
    .reshape(2, 3, 7, 9)
)


def by_hand(function):
    return np.vectorize(function)(X.astype(np.float64))


@pytest.mark.parametrize(
    ("kind", "rest", "formula"),
    [
        ("HardSwish", "", lambda x: x * min(max(x + 3, 0), 6) / 6),
        ("Mish", "", lambda x: x * math.tanh(math.log1p(math.exp(x)))),
        ("SeLU", "", lambda x: 1.05070102 * (x if x > 0 else 1.67326319 * (math.exp(x) - 1))),
        ("SeLu", "", lambda x: 1.05070102 * (x if x > 0 else 1.67326319 * (math.exp(x) - 1))),
        ("SeLU", "selu_param { lambda: 2 alpha: 0.5 }", lambda x: 2 * (x if x > 0 else 0.5 * (math.exp(x) - 1))),
    ],
)
def test_by_hand_and_by_the_oracle(tmp_path, kind, rest, formula):
    wanted = check_by_oracle(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest), {"data": X})
    np.testing.assert_allclose(wanted["y"], by_hand(formula), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["HardSwish", "Mish", "SeLU"])
def test_dynamic(tmp_path, kind):
    check_dynamic(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y"), {"N": 4, "H": 5}, data=("N", 3, "H", 9))


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("Noise", "noise_param { gaussian_std: 0.1 }"),
        ("SeLuDropout", "selu_dropout_param { dropout_ratio: 0.3 }"),
        ("SeLUDropout", ""),
    ],
)
def test_noise_is_nothing_at_test_time(tmp_path, kind, rest):
    text = input_layer(2, 3, 7, 9) + layer(kind, "n", "data", "data", rest)
    x = values("data", 2, 3, 7, 9)
    np.testing.assert_array_equal(
        check_by_oracle(tmp_path, text + layer("Power", "y", rest="power_param { }"), {"data": x})["y"], x
    )
    with pytest.raises(cbc.ConversionError, match="random"):
        cbc.convert(write_net(tmp_path, text)[0], phase="TRAIN")


def test_a_margin_by_labels_is_nothing_at_test_time(tmp_path):
    rest = "label_specific_add_param { bias: -0.4 transform_test: true }"
    text = input_layer(2, 3) + input_layer(2, name="label") + layer("LabelSpecificAdd", "m", "data label", rest=rest)
    text += layer("Power", "y", "m", rest="power_param { scale: 2 }")
    x = values("data", 2, 3)
    got = check_by_oracle(tmp_path, text, {"data": x, "label": np.array([1, 2], np.float32)})
    np.testing.assert_array_equal(got["y"], 2 * x)
    with pytest.raises(cbc.ConversionError, match="TRAIN phase"):
        cbc.convert(write_net(tmp_path, text)[0], phase="TRAIN")


def test_in_place(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("HardSwish", "h", "data", "data") + layer("Mish", "y", "data")
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)})


def test_an_unknown_field_is_no_silent_default(tmp_path):
    with pytest.raises(cbc.ConversionError, match="steepness"):
        cbc.convert(write_net(tmp_path, input_layer(2, 3) + layer("SeLU", "y", rest="selu_param { steepness: 2 }"))[0])
