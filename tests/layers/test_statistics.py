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
@pytest.mark.parametrize("folder", cases("MVN", "LRN", "Normalize"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def convert(folder, type_, rest, shape=(2, 3, 7, 9), weights=None):
    text = input_layer(*shape) + layer(type_, "y", rest=rest)
    return cbc.convert(*write_net(folder, text, weights), allow="all")


@pytest.mark.parametrize(
    ("type_", "rest"),
    [
        ("MVN", "mvn_param { across_channels: true }"),
        ("MVN", "mvn_param { normalize_variance: false }"),
        ("LRN", "lrn_param { local_size: 3 alpha: 0.5 k: 2 }"),
        ("LRN", "lrn_param { local_size: 5 norm_region: WITHIN_CHANNEL }"),
        ("Normalize", "norm_param { across_spatial: false channel_shared: false }"),
        ("Normalize", ""),
    ],
)
def test_dynamic_axes(tmp_path, type_, rest):
    scale = np.array([2, 3, 4]) if "channel_shared" in rest else np.array(20)
    weights = {"y": [scale]} if type_ == "Normalize" else None
    text = input_layer(2, 3, 7, 9) + layer(type_, "y", rest=rest)
    conversion = check_dynamic(tmp_path, text, SIZES, weights, data=("N", 3, "H", "W"))
    assert shape_of(conversion, "y") == ["N", 3, "H", "W"]


def test_mvn_adds_eps_behind_the_root(tmp_path):
    x = values("data", 2, 3, 7, 9)
    got = run(convert(tmp_path, "MVN", "mvn_param { eps: 0.5 }"), {"data": x})["y"]
    wanted = (x - x.mean((2, 3), keepdims=True)) / (x.std((2, 3), keepdims=True) + 0.5)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_mvn_gives_four_axes(tmp_path):
    assert shape_of(convert(tmp_path, "MVN", "mvn_param { across_channels: true }", (2, 3)), "y") == [2, 3, 1, 1]


def test_normalize_weights_keep_their_channels(tmp_path):
    x, scale = values("data", 2, 3, 7, 9), np.array([2, -3, 0.5], np.float32)
    rest = "norm_param { across_spatial: false channel_shared: false }"
    got = run(convert(tmp_path, "Normalize", rest, weights={"y": [scale]}), {"data": x})["y"]
    wanted = x / np.sqrt((x * x).sum(1, keepdims=True)) * scale[:, None, None]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("type_", "rest", "shape", "message"),
    [
        ("LRN", "lrn_param { local_size: 4 }", (2, 3, 7, 9), "local_size 4 is even"),
        ("LRN", "", (2, 3, 7), "LRN takes 4-D blobs"),
        ("MVN", "", (2, 3, 7, 9, 4), "up to 4 axes"),
        ("Normalize", "", (2,), "2 to 4 axes"),
    ],
)
def test_refusals(tmp_path, type_, rest, shape, message):
    with pytest.raises(cbc.InvalidNetError, match=message):
        convert(tmp_path, type_, rest, shape)


@pytest.mark.parametrize(
    ("type_", "rest", "field"),
    [
        ("Normalize", 'norm_param { normalize_type: "L1" }', "normalize_type"),
        ("Normalize", "norm_param { across_spatial: false } normalize_param { }", "across_spatial"),
    ],
)
def test_fields_of_forks_are_refused_by_name(tmp_path, type_, rest, field):
    with pytest.raises(cbc.UnsupportedError, match=field):
        convert(tmp_path, type_, rest)


def test_eps_inside_of_the_root(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("MVN", "y", rest="mvn_param { add_eps_before_sqrt: true eps: 0.5 }")
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)})
