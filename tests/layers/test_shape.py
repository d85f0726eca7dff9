from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.nets import input_layer, layer, write_net

SIZES = {"N": 4, "C": 6, "H": 5, "W": 8}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("Reshape", "Flatten", "Crop", "Tile", "Permute"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def refused(folder, text, message, error=cbc.InvalidNetError, **options):
    with pytest.raises(error, match=message):
        cbc.convert(write_net(folder, text)[0], **options)


def reshape(*dims, more=""):
    return layer("Reshape", "y", rest=f"reshape_param {{ shape {{ {' '.join(f'dim: {d}' for d in dims)} }} {more} }}")


@pytest.mark.parametrize(
    ("dims", "more", "top"),
    [
        ((0, -1), "", ["N", 189]),
        ((0, 0, -1), "", ["N", 3, 63]),
        ((-1, 27), "", ["7*N", 27]),
        ((0, 9, 7, 3), "", ["N", 9, 7, 3]),
        ((9, 7, 3), "axis: 1", ["N", 9, 7, 3]),
        ((0, 63), "axis: 1", ["N", 3, 63]),
        ((1,), "axis: 0 num_axes: 0", [1, "N", 3, 7, 9]),
        ((1, 1), "axis: -1 num_axes: 0", ["N", 3, 7, 9, 1, 1]),
        ((-1,), "axis: 2 num_axes: 1", ["N", 3, 7, 9]),
        ((-1,), "", ["189*N"]),
    ],
)
def test_a_dynamic_batch_survives_reshape(tmp_path, dims, more, top):
    conversion = check_dynamic(
        tmp_path, input_layer(2, 3, 7, 9) + reshape(*dims, more=more), SIZES, data=("N", 3, 7, 9)
    )
    assert shape_of(conversion, "y") == top


@pytest.mark.parametrize(
    ("dims", "shape", "top"),
    [
        ((0, 0, -1), ("N", 3, "H", "W"), ["N", 3, "H*W"]),
        ((0, 3, -1), ("N", 6, "H", "W"), ["N", 3, "2*H*W"]),
        ((-1, 0), ("N", 6, "H"), ["H*N", 6]),
        ((0, 2, -1, 0), ("N", 6, "H", "W"), ["N", 2, "3*H", "W"]),
        ((0, 0, 1, -1), ("N", "C", "H"), ["N", "C", 1, "H"]),
    ],
)
def test_several_dynamic_axes_survive_reshape(tmp_path, dims, shape, top):
    text = input_layer(*(3,) * len(shape)) + reshape(*dims)
    assert shape_of(check_dynamic(tmp_path, text, SIZES, data=shape), "y") == top


def test_sizes_that_are_written_down_do_not_take_a_dynamic_batch(tmp_path):
    text = input_layer(2, 3, 7, 9) + reshape(2, 189)
    refused(tmp_path, text, "Nx3x7x9 to 2x189, which fits one size only", cbc.UnsupportedError, batch="dynamic")
    refused(tmp_path, input_layer(2, 3) + reshape(-1, 4), "depends on a size", cbc.UnsupportedError, batch="dynamic")


@pytest.mark.parametrize(
    ("dims", "more", "message"),
    [
        ((2, 6), "", "another number of values"),
        ((-1, 4), "", "42 values do not divide into 4"),
        ((-1, -1), "", "more than one -1"),
        ((0, 0, 0, 0), "", "copies axis 3 of the bottom, which has 3"),
        ((1,), "axis: 4 num_axes: 0", "axis 4 is out of range"),
        ((1,), "axis: -5 num_axes: 0", "axis -5 is out of range"),
        ((1,), "axis: 2 num_axes: 2", "reach beyond the bottom's 3 axes"),
        ((1,), "num_axes: -2", "num_axes -2 is below -1"),
    ],
)
def test_reshape_refuses_what_caffe_refuses(tmp_path, dims, more, message):
    refused(tmp_path, input_layer(2, 3, 7) + reshape(*dims, more=more), message)


@pytest.mark.parametrize("type_", ["Reshape", "Flatten", "Permute", "Tile"])
def test_not_in_place(tmp_path, type_):
    refused(tmp_path, input_layer(2, 3) + layer(type_, "y", tops="data"), f'in place on "data", which {type_} cannot')


@pytest.mark.parametrize(
    ("rest", "top"),
    [
        ("", ["N", "3*H*W"]),
        ("axis: 2", ["N", 3, "H*W"]),
        ("axis: 1 end_axis: 2", ["N", "3*H", "W"]),
        ("axis: 0", ["3*H*N*W"]),
        ("axis: 2 end_axis: 1", ["N", 3, 1, "H", "W"]),
    ],
)
def test_dynamic_axes_survive_flatten(tmp_path, rest, top):
    text = input_layer(2, 3, 7, 9) + layer("Flatten", "y", rest=f"flatten_param {{ {rest} }}")
    assert shape_of(check_dynamic(tmp_path, text, SIZES, data=("N", 3, "H", "W")), "y") == top


def test_flatten_does_not_run_backwards(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Flatten", "y", rest="flatten_param { axis: 3 end_axis: 1 }")
    refused(tmp_path, text, "lies behind end_axis")


@pytest.mark.parametrize(("rest", "top"), [("", ["N", 3, "P", "Q"]), ("offset: 1", ["N", 3, "P", "Q"])])
def test_crop_to_a_dynamic_size(tmp_path, rest, top):
    text = input_layer(2, 3, 7, 9) + input_layer(2, 4, 5, 6, name="like")
    text += layer("Crop", "y", "data like", rest=f"crop_param {{ {rest} }}")
    shapes = {"data": ("N", 3, "H", "W"), "like": ("N", 4, "P", "Q")}
    conversion = check_dynamic(tmp_path, text, SIZES | {"P": 3, "Q": 6}, **shapes)
    assert shape_of(conversion, "y") == top


def test_crop_with_an_offset_for_each_axis(tmp_path):
    text = input_layer(2, 3, 7, 9) + input_layer(1, 1, 4, 5, name="like")
    text += layer("Crop", "y", "data like", rest="crop_param { offset: 3 offset: 2 }")
    x = values("data", 2, 3, 7, 9)
    got = run(cbc.convert(write_net(tmp_path, text)[0]), {"data": x, "like": values("like", 1, 1, 4, 5)})["y"]
    np.testing.assert_array_equal(got, x[:, :, 3:7, 2:7])


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("offset: 4", "4 from 4 on lie beyond axis 2, which has 7"),
        ("offset: 1 offset: 1 offset: 1", "3 offsets for 2 axes"),
        ("axis: 4", "axis 4 is out of range"),
    ],
)
def test_crop_refuses(tmp_path, rest, message):
    text = input_layer(2, 3, 7, 9) + input_layer(1, 1, 4, 5, name="like")
    refused(tmp_path, text + layer("Crop", "y", "data like", rest=f"crop_param {{ {rest} }}"), message)


def test_permute_and_tile_with_dynamic_axes(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Permute", "p", rest="permute_param { order: 0 order: 2 order: 3 }")
    text += layer("Tile", "y", "p", rest="tile_param { axis: 2 tiles: 3 }")
    conversion = check_dynamic(tmp_path, text, SIZES, data=("N", 3, "H", "W"))
    assert shape_of(conversion, "y") == ["N", "H", "3*W", 3]


@pytest.mark.parametrize(
    ("type_", "rest", "message"),
    [
        ("Permute", "permute_param { order: 1 order: 1 }", "lists an axis twice"),
        ("Permute", "permute_param { order: 3 }", "lists axis 3, but the bottom has 3 axes"),
        ("Tile", "tile_param { tiles: 0 }", "needs tiles"),
        ("Tile", "", "needs tiles"),
    ],
)
def test_refusals(tmp_path, type_, rest, message):
    refused(tmp_path, input_layer(2, 3, 7) + layer(type_, "y", rest=rest), message)
