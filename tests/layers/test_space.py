"""DepthToSpace, SpaceToDepth and Reshape's pixelshuffler beside the loops of synopsys-caffe, transcribed here."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def to_space(x, b, order):
    """The loops of depth_to_space_layer.cpp."""
    if order == "NHWC":
        return to_space(x.transpose(0, 3, 1, 2), b, "NCHW").transpose(0, 2, 3, 1)
    n, c, h, w = x.shape
    depth = c // b**2
    y = np.empty((n, depth, h * b, w * b), x.dtype)
    for at in np.ndindex(y.shape):
        i, d, row, column = at
        place = row % b * b + column % b
        channel = d * b * b + place if order == "CRD" else d + place * depth
        y[at] = x[i, channel, row // b, column // b]
    return y


def to_depth(x, b, order):
    """The loops of space_to_depth_layer.cpp."""
    if order == "NHWC":
        return to_depth(x.transpose(0, 3, 1, 2), b, "NCHW").transpose(0, 2, 3, 1)
    n, c, h, w = x.shape
    y = np.empty((n, c * b * b, h // b, w // b), x.dtype)
    for at in np.ndindex(x.shape):
        i, d, row, column = at
        y[i, d + (row % b * b + column % b) * c, row // b, column // b] = x[at]
    return y


def shuffled(x, r):
    """The loops of reshape_layer.cpp with ``pixelshuffler``."""
    n, channels, h, w = x.shape
    y = np.empty((n, channels // r**2, h * r, w * r), x.dtype)
    for at in np.ndindex(x.shape):
        i, c, row, column = at
        y[i, c // (r * r), row * r + (c // r) % r, column * r + (c % (r * r)) % r] = x[at]
    return y


def net(kind, parameters, *shape):
    return input_layer(*shape) + layer(kind, "y", rest=parameters)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("order", ["NHWC", "NCHW", "DCR", "CRD"])
def test_depth_to_space(tmp_path, order, block):
    shape = (2, 3, 5, 2 * block**2) if order == "NHWC" else (2, 2 * block**2, 3, 5)
    x = values("data", *shape)
    text = net("DepthToSpace", f'depth_to_space_param {{ block_size: {block} data_format: "{order}" }}', *shape)
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, {"data": x})["y"], to_space(x, block, order))


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_space_to_depth(tmp_path, order):
    x = values("data", 2, 6, 4, 2)
    text = net("SpaceToDepth", f'space_to_depth_param {{ block_size: 2 data_format: "{order}" }}', 2, 6, 4, 2)
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, {"data": x})["y"], to_depth(x, 2, order))


def test_pixels_are_shuffled_into_memory_of_their_own(tmp_path):
    """A plain Reshape shares its bottom's memory, so that what works on its top in place changes the bottom."""
    x = values("data", 2, 18, 3, 5)
    text = net("Reshape", "reshape_param { pixelshuffler: 3 }", 2, 18, 3, 5)
    text += layer("ReLU", "r", "y", "y") + layer("Power", "z", "data", rest="power_param { scale: 2 }")
    got = check_by_oracle(tmp_path, text, {"data": x})
    np.testing.assert_array_equal(got["y"], np.maximum(shuffled(x, 3), 0))
    np.testing.assert_array_equal(got["z"], 2 * x)
    told = cbc.convert(write_net(tmp_path, text)[0]).findings
    assert [finding.what for finding in told] == [
        "taken for Intel's and synopsys' Reshape, which shuffles pixels, by pixelshuffler"
    ]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("DepthToSpace", 'depth_to_space_param { block_size: 2 data_format: "NCHW" }'),
        ("SpaceToDepth", 'space_to_depth_param { block_size: 2 data_format: "NCHW" }'),
        ("Reshape", "reshape_param { pixelshuffler: 2 }"),
    ],
)
def test_a_dynamic_batch(tmp_path, kind, parameters):
    check_dynamic(tmp_path, net(kind, parameters, 2, 8, 6, 4), {"N": 5}, data=("N", 8, 6, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("DepthToSpace", "depth_to_space_param { block_size: 2 }", 2, 4, 4, 6), "does not divide into blocks"),
        (net("DepthToSpace", "depth_to_space_param { block_size: 2 }", 2, 4), "takes 4-D blobs"),
        (net("DepthToSpace", "", 2, 4, 4, 4), "block_size must be"),
        (net("SpaceToDepth", 'space_to_depth_param { block_size: 2 data_format: "CRD" }', 2, 4, 4, 4), "CRD"),
        (net("SpaceToDepth", "space_to_depth_param { block_size: 3 }", 2, 4, 4, 4), "does not divide into blocks"),
        (net("Reshape", "reshape_param { pixelshuffler: 0 }", 2, 4, 4, 4), "pixelshuffler must be"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
