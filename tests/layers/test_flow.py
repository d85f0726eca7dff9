from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


def resample(rest, bottoms="data"):
    return input_layer(2, 3, 7, 9) + layer("Resample", "y", bottoms, rest=f"resample_param {{ {rest} }}")


@pytest.mark.parametrize("kind", ["LINEAR", "CUBIC"])
@pytest.mark.parametrize("size", ["height: 14 width: 18", "height: 3 width: 4", "height: 13 width: 5", "factor: 2"])
@pytest.mark.parametrize("rest", ["", "antialias: false"])
def test_resample(tmp_path, kind, size, rest):
    check_by_oracle(tmp_path, resample(f"type: {kind} {size} {rest}"), {"data": X})


@pytest.mark.parametrize(("rest", "by"), [("factor: 2", 2), ("height: 21 width: 27", 3)])
def test_resample_nearest(tmp_path, rest, by):
    wanted = check_by_oracle(tmp_path, resample(f"type: NEAREST {rest}"), {"data": X})["y"]
    np.testing.assert_array_equal(wanted, X.repeat(by, 2).repeat(by, 3))


def test_resample_to_the_size_of_a_second_bottom(tmp_path):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 4, 5, 11, name="like") + layer("Resample", "y", "data like")
    check_by_oracle(tmp_path, text, {"data": X, "like": values("like", 2, 4, 5, 11)})


@pytest.mark.parametrize("fill", ["", "flow_warp_param { fill_value: NOT_A_NUMBER }"])
def test_flow_warp(tmp_path, fill):
    text = (
        input_layer(2, 3, 7, 9) + input_layer(2, 2, 7, 9, name="flow") + layer("FlowWarp", "y", "data flow", rest=fill)
    )
    flow = 4 * values("flow", 2, 2, 7, 9)
    flow[0, :, 2] = np.round(flow[0, :, 2])
    wanted = check_by_oracle(tmp_path, text, {"data": X, "flow": flow})["y"]
    assert np.isnan(wanted).any() == bool(fill)


def test_flow_warp_by_hand(tmp_path):
    text = input_layer(1, 1, 2, 3) + input_layer(1, 2, 2, 3, name="flow") + layer("FlowWarp", "y", "data flow")
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    flow = np.zeros((1, 2, 2, 3), np.float32)
    flow[0, 0] = [[0.5, 1, 0.5], [-1, 0, 1]]
    flow[0, 1, 0, 1] = 1
    wanted = check_by_oracle(tmp_path, text, {"data": x, "flow": flow})["y"]
    # Right of the last column, but not a whole cell, the last column itself is read.
    np.testing.assert_array_equal(wanted.ravel(), [0.5, 5, 2, 0, 4, 0])


@pytest.mark.parametrize(
    "rest",
    [
        "pad: 2 kernel_size: 1 max_displacement: 2",
        "pad: 3 kernel_size: 3 max_displacement: 2 stride_1: 2 stride_2: 2",
        "kernel_size: 1 max_displacement: 1 stride_2: 2",
        "pad: 4 kernel_size: 3 max_displacement: 3 stride_1: 3 correlation_type: SUBTRACT",
    ],
)
def test_correlation(tmp_path, rest):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 3, 7, 9, name="b")
    text += layer("Correlation", "y", "data b", rest=f"correlation_param {{ {rest} }}")
    check_by_oracle(tmp_path, text, {"data": X, "b": values("b", 2, 3, 7, 9)})


def test_correlation_by_hand(tmp_path):
    text = input_layer(1, 2, 1, 3) + input_layer(1, 2, 1, 3, name="b")
    text += layer("Correlation", "y", "data b", rest="correlation_param { pad: 1 kernel_size: 1 max_displacement: 1 }")
    a = np.array([1, 2, 3, 10, 20, 30], np.float32).reshape(1, 2, 1, 3)
    b = np.array([1, 0, 2, 1, 1, 0], np.float32).reshape(1, 2, 1, 3)
    wanted = check_by_oracle(tmp_path, text, {"data": a, "b": b})["y"]
    assert wanted.shape == (1, 9, 1, 3)
    np.testing.assert_array_equal(
        wanted[0, :, 0], [*[[0] * 3] * 3, [0, 11, 15], [5.5, 10, 3], [5, 2, 0], *[[0] * 3] * 3]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (resample("type: AREA height: 3 width: 3"), "AREA"),
        (resample("type: LINEAR"), "needs height and width"),
        (resample("type: LINEAR height: 3"), "top would be"),
        (resample("type: NEAREST height: 40 width: 2"), "beside the picture"),
        (
            input_layer(2, 3, 7, 9)
            + layer("Correlation", "y", "data data", rest="correlation_param { kernel_size: 2 max_displacement: 1 }"),
            "is even",
        ),
        (input_layer(2, 3, 7, 9) + layer("Correlation", "y", "data data"), "needs kernel_size"),
        (input_layer(2, 3, 7, 9) + layer("FlowWarp", "y", "data data"), "the flow is"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
