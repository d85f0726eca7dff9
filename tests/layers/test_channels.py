from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

SIZES = {"N": 4, "H": 5, "W": 8}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("Im2col", "Axpy", "ShuffleChannel"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def test_im2col_is_what_convolution_multiplies(tmp_path):
    window = "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0 dilation: 1 dilation: 2"
    text = (
        input_layer(2, 3, 7, 9)
        + layer("Im2col", "columns", rest=f"convolution_param {{ {window} }}")
        + layer("InnerProduct", "dummy", rest="inner_product_param { num_output: 1 bias_term: false }")
        + layer("Convolution", "y", rest=f"convolution_param {{ num_output: 4 bias_term: false {window} }}")
    )
    weight = values("w", 4, 3, 3, 2)
    prototxt, weights = write_net(tmp_path, text, {"y": [weight], "dummy": [np.ones((1, 189))]})
    conversion = cbc.convert(prototxt, weights, batch="dynamic")
    got = run(conversion, {"data": values("data", 5, 3, 7, 9)})
    assert shape_of(conversion, "columns") == ["N", 18, 4, 7]
    product = np.einsum("ok,nkhw->nohw", weight.reshape(4, 18), got["columns"])
    np.testing.assert_allclose(got["y"], product, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("kernel_size: 3 kernel_h: 2 kernel_w: 2", "Caffe takes either"),
        ("kernel_size: 3 axis: 3", "no spatial axis"),
        ("kernel_size: 9", "does not fit the padded input on axis 2"),
        ("", "kernel_size has 0 values for 2 spatial axes"),
    ],
)
def test_im2col_refuses(tmp_path, rest, message):
    prototxt, _ = write_net(
        tmp_path, input_layer(2, 3, 7, 9) + layer("Im2col", "y", rest=f"convolution_param {{ {rest} }}")
    )
    with pytest.raises(cbc.InvalidNetError, match=message):
        cbc.convert(prototxt)


@pytest.mark.parametrize("factors", [("N", 3), ("N", 3, 1, 1)])
def test_axpy_with_dynamic_axes(tmp_path, factors):
    text = input_layer(*(2, 3, 1, 1)[: len(factors)], name="a") + input_layer(2, 3, 7, 9, name="x")
    text += input_layer(2, 3, 7, 9, name="b") + layer("Axpy", "y", "a x b")
    shape = ("N", 3, "H", "W")
    conversion = check_dynamic(tmp_path, text, SIZES, a=factors, x=shape, b=shape)
    inputs = {
        "a": values("a", 2, 3, *(1,) * (len(factors) - 2)),
        "x": values("x", 2, 3, 4, 5),
        "b": values("b", 2, 3, 4, 5),
    }
    wanted = inputs["a"].reshape(2, 3, 1, 1) * inputs["x"] + inputs["b"]
    np.testing.assert_array_equal(run(conversion, inputs)["y"], wanted)


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 7, 1), (1, 3)])
def test_axpy_refuses_other_factors(tmp_path, shape):
    text = input_layer(*shape, name="a") + input_layer(2, 3, 7, 9, name="x") + layer("Axpy", "y", "a x x")
    with pytest.raises(cbc.InvalidNetError, match="the factors are"):
        cbc.convert(write_net(tmp_path, text)[0])


def test_shuffle_channel_with_dynamic_axes(tmp_path):
    text = input_layer(2, 6, 7, 9) + layer("ShuffleChannel", "y", rest="shuffle_channel_param { group: 2 }")
    conversion = check_dynamic(tmp_path, text, SIZES, data=("N", 6, "H", "W"))
    x = values("data", 2, 6, 3, 4)
    np.testing.assert_array_equal(run(conversion, {"data": x})["y"], x[:, [0, 3, 1, 4, 2, 5]])


def test_shuffle_channel_gives_four_axes(tmp_path):
    text = input_layer(2, 6) + layer("ShuffleChannel", "y", rest="shuffle_channel_param { group: 3 }")
    assert shape_of(cbc.convert(write_net(tmp_path, text)[0]), "y") == [2, 6, 1, 1]


def test_shuffle_channel_refuses_a_group_that_does_not_divide(tmp_path):
    text = input_layer(2, 6, 7, 9) + layer("ShuffleChannel", "y", rest="shuffle_channel_param { group: 4 }")
    with pytest.raises(cbc.InvalidNetError, match="6 channels are no multiple of group 4"):
        cbc.convert(write_net(tmp_path, text)[0])


def test_shuffle_of_two_axes_makes_four(tmp_path):
    """shuffle_channel_layer.cpp reshapes its top to num, channels, height and width."""
    text = input_layer(2, 6) + layer("ShuffleChannel", "y", rest="shuffle_channel_param { group: 3 }")
    x = values("data", 2, 6)
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_array_equal(got, x[:, [0, 2, 4, 1, 3, 5], None, None])


@pytest.mark.parametrize(
    ("kind", "rest"),
    [("ShuffleChannel", "shuffle_channel_param { group: 3 }"), ("MVN", ""), ("Softmax", ""),
     ("Convolution", "convolution_param { num_output: 5 kernel_size: 2 weight_filler { value: 1 } }")],
)  # fmt: skip
def test_a_filter_that_selects_nothing(tmp_path, kind, rest):
    text = input_layer(2, 6, 7, 9) + input_layer(2, name="s") + layer("Filter", "f", "data s")
    inputs = {"data": values("data", 2, 6, 7, 9), "s": np.zeros(2, np.float32)}
    assert check_by_oracle(tmp_path, text + layer(kind, "y", "f", rest=rest), inputs)["y"].shape[0] == 0
