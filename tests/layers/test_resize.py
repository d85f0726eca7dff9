from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

CORNERS = ["", "align_corners: true", "half_pixel_centers: true"]


def net(kind, rest, shape=(2, 3, 7, 9)):
    field = {"ResizeBilinear": "resize_bilinear_param", "ResizeNearestNeighbor": "resize_nearest_neighbor_param"}[kind]
    return input_layer(*shape) + layer(kind, "y", rest=f"{field} {{ {rest} }}")


@pytest.mark.parametrize("corners", [*CORNERS, "pytorch_half_pixel: true"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("size", [(1, 1), (5, 13), (14, 4), (7, 9)])
def test_bilinear(tmp_path, corners, layout, size):
    rest = f'{corners} data_format: "{layout}" output_height: {size[0]} output_width: {size[1]}'
    shape = (2, 3, 7, 9) if layout == "NCHW" else (2, 7, 9, 3)
    wanted = check_by_oracle(tmp_path, net("ResizeBilinear", rest, shape), {"data": values("data", *shape)})
    assert wanted["y"].shape == ((2, 3, *size) if layout == "NCHW" else (2, *size, 3))


@pytest.mark.parametrize("corners", CORNERS)
@pytest.mark.parametrize("size", [(1, 1), (5, 13), (14, 4), (21, 112), (7, 9)])
def test_nearest(tmp_path, corners, size):
    rest = f'{corners} data_format: "NCHW" output_height: {size[0]} output_width: {size[1]}'
    check_by_oracle(tmp_path, net("ResizeNearestNeighbor", rest), {"data": values("data", 2, 3, 7, 9)})


@pytest.mark.parametrize("kind", ["ResizeBilinear", "ResizeNearestNeighbor"])
def test_scales_round_down(tmp_path, kind):
    wanted = check_by_oracle(
        tmp_path, net(kind, "scale_height: 1.5 scale_width: 0.4", (2, 7, 9, 3)), {"data": values("data", 2, 7, 9, 3)}
    )
    assert wanted["y"].shape == (2, 10, 3, 3)


def test_a_row_by_hand(tmp_path):
    text = net("ResizeBilinear", 'data_format: "NCHW" output_height: 1 output_width: 4', (1, 1, 1, 2))
    got = check_by_oracle(tmp_path, text, {"data": np.array([0, 10], np.float32).reshape(1, 1, 1, 2)})["y"]
    np.testing.assert_array_equal(got.ravel(), [0, 5, 10, 10])


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("ResizeBilinear", "align_corners: true half_pixel_centers: true", "exclude each other"),
        ("ResizeBilinear", 'data_format: "NCHWD"', "data_format"),
        ("ResizeBilinear", "output_height: 0 output_width: 3", "size of 0"),
        ("ResizeBilinear", "input_scale: 2", 'the field "input_scale"'),
        ("ResizeNearestNeighbor", "half_pixel_onnx: true", 'the field "half_pixel_onnx"'),
    ],
)
def test_refusals(tmp_path, kind, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net(kind, rest))[0])
