from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)
THETA = np.array([[1, 0.2, -0.1, 0.1, 0.9, 0.3], [0.5, 0, 0, 0, 2, 0.1]], np.float32)


def net(rest="", count=6):
    text = input_layer(2, 3, 7, 9) + input_layer(2, count, name="t")
    return text + layer("SpatialTransformer", "y", "data t", rest=f"st_param {{ {rest} }}")


def test_all_of_theta(tmp_path):
    check_by_oracle(tmp_path, net(), {"data": X, "t": THETA})


@pytest.mark.parametrize("rest", ["output_H: 5 output_W: 4", "output_W: 20"])
def test_some_of_theta(tmp_path, rest):
    text = net(f"{rest} theta_1_2: 0.5 theta_2_1: -0.25", 4)
    check_by_oracle(tmp_path, text, {"data": X, "t": np.ascontiguousarray(THETA[:, [0, 2, 4, 5]])})


def test_the_identity_by_hand(tmp_path):
    identity = np.array([[1, 0, 0, 0, 1, 0]] * 2, np.float32)
    np.testing.assert_allclose(check_by_oracle(tmp_path, net(), {"data": X, "t": identity})["y"], X, atol=1e-5)
    # One row down and two columns to the right; what comes in is 0.
    moved = np.array([[1, 0, 2 / 7, 0, 1, 4 / 9]] * 2, np.float32)
    wanted = np.pad(X[:, :, 1:, 2:], ((0, 0), (0, 0), (0, 1), (0, 2)))
    np.testing.assert_allclose(check_by_oracle(tmp_path, net(), {"data": X, "t": moved})["y"], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net('transform_type: "tps"'), "only affine"),
        (net("de_transform: true"), 'the field "de_transform"'),
        (net("theta_1_1: 1"), "theta must be 2x5"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
