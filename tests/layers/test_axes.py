from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


@pytest.mark.parametrize(
    ("kind", "rest", "by_hand"),
    [
        ("Transpose", "transpose_param { dim: 2 dim: 0 dim: 3 dim: 1 }", X.transpose(2, 0, 3, 1)),
        ("Reverse", "", X[::-1]),
        ("Reverse", "reverse_param { axis: -1 }", X[..., ::-1]),
        ("Reverse", "reverse_param { axis: 1 axis: 3 }", X[:, ::-1, :, ::-1]),
        ("Flip", "", X[..., ::-1]),
        ("Flip", "flip_param { flip_width: false flip_height: true }", X[:, :, ::-1]),
        ("Flip", "flip_param { flip_height: true }", X[:, :, ::-1, ::-1]),
        ("Flip", "flip_param { flip_width: false }", X),
        ("Gather", "gather_param { indices: 6 indices: 0 indices: 3 shape: 3 axis: 2 }", X[:, :, [6, 0, 3]]),
        ("Gather", "gather_param { indices: 2 shape: 0 axis: 1 }", X[:, 2]),
        ("Gather", "gather_param { indices: [1, 0, 0, 1] shape: [2, 2] }", X[[[1, 0], [0, 1]]]),
        (
            "CropCenter",
            "crop_center_param { crop_size: 0 crop_size: 1 crop_size: 2 crop_size: 3 }",
            X[:, 1:2, 2:5, 3:6],
        ),
        ("CropCenter", "crop_center_param { crop_size: [0, 0, 0, 0] }", X),
    ],
)
def test_by_hand_and_by_the_oracle(tmp_path, kind, rest, by_hand):
    wanted = check_by_oracle(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest), {"data": X})
    np.testing.assert_array_equal(wanted["y"], by_hand)


@pytest.mark.parametrize(
    ("rest", "shape"),
    [("", (2, 7)), ("squeeze_param { axis: 1 }", (2, 7, 1)), ("squeeze_param { axis: -1 }", (2, 1, 7))],
)
def test_squeeze(tmp_path, rest, shape):
    text = input_layer(2, 1, 7, 1) + layer("Squeeze", "y", rest=rest)
    assert check_by_oracle(tmp_path, text, {"data": values("data", 2, 1, 7, 1)})["y"].shape == shape


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("Transpose", "transpose_param { dim: 2 dim: 0 dim: 3 dim: 1 }"),
        ("Reverse", "reverse_param { axis: 2 }"),
        ("Flip", ""),
        ("CropCenter", "crop_center_param { crop_size: [0, 0, 2, 1] }"),
        ("Gather", "gather_param { indices: 2 shape: 1 axis: 1 }"),
        ("Squeeze", ""),
    ],
)
def test_dynamic(tmp_path, kind, rest):
    text = input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest)
    check_dynamic(tmp_path, text, {"N": 4, "H": 8}, data=("N", 3, "H", 9))


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("Transpose", "transpose_param { dim: 0 dim: 1 }", "must name each"),
        ("Squeeze", "squeeze_param { axis: 1 }", "only axes of size 1"),
        ("Reverse", "reverse_param { axis: 4 }", "out of range"),
        ("Gather", "gather_param { shape: 1 }", "needs indices"),
        ("Gather", "gather_param { indices: 3 shape: 1 axis: 1 }", "beyond axis 1"),
        ("Gather", "gather_param { indices: 3 shape: 2 }", "1 indices for the shape"),
        ("CropCenter", "crop_center_param { crop_size: 1 }", "1 numbers for 4 axes"),
        ("CropCenter", "crop_center_param { crop_size: [1, 0, 0, 0] }", "leaves nothing"),
    ],
)
def test_refusals(tmp_path, kind, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest))[0])


GATHER = input_layer(2, 3, name="a") + input_layer(2, 5, name="b") + layer("Gather", "g", "a b", "c d")


def test_gather_of_batches_on_one_computer(tmp_path):
    """yjxiong's: outside of MPI its tops are its bottoms."""
    inputs = {"a": values("a", 2, 3), "b": values("b", 2, 5)}
    text = GATHER + layer("TanH", "y", "c") + layer("TanH", "z", "d")
    got = check_by_oracle(tmp_path, text, inputs)
    np.testing.assert_allclose(got["z"], np.tanh(inputs["b"]), rtol=1e-6)
    assert "yjxiong" in cbc.convert(write_net(tmp_path, text)[0]).findings[0].what
    with pytest.raises(cbc.InvalidNetError, match="2 bottoms but 1 tops"):
        cbc.convert(write_net(tmp_path, GATHER.replace('top: "d"', ""))[0])


def test_gather_of_batches_shares_the_memory_of_each_bottom(tmp_path):
    """What works in place on a top has changed the bottom at its place, and no other."""
    net = (
        input_layer(2, 3, name="x") + layer("TanH", "a", "x") + layer("Power", "b", "x")
        + layer("Gather", "g", "a b", "c d") + layer("ReLU", "r", "d", "d") + layer("TanH", "y", "b") + layer("TanH", "z", "a")
    )  # fmt: skip
    x = values("x", 2, 3) - 1
    got = check_by_oracle(tmp_path, net, {"x": x})
    np.testing.assert_allclose(got["y"], np.tanh(np.maximum(x, 0)), rtol=1e-6)
    np.testing.assert_allclose(got["z"], np.tanh(np.tanh(x)), rtol=1e-5)
