from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic
from tests.nets import input_layer, layer, write_net

GROUPS = (
    "AbsVal", "BNLL", "Clip", "Dropout", "ELU", "Fork_scale_train", "PReLU",
    "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH", "Threshold",
)  # fmt: skip
X = values("data", 2, 3, 7, 9)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases(*GROUPS))
def test_as_caffe(folder, opset):
    check(folder, opset)


def convert(folder, type_, rest="", weights=None, shape=X.shape, **options):
    text = input_layer(*shape) + layer(type_, "y", rest=rest)
    return cbc.convert(*write_net(folder, text, weights), **options)


def test_relu6_with_a_slope_below_zero(tmp_path):
    conversion = convert(tmp_path, "ReLU6", "relu6_param { negative_slope: 0.5 }")
    x = X * 10
    np.testing.assert_array_equal(run(conversion, {"data": x})["y"], np.minimum(np.where(x > 0, x, x / 2), 6))


def test_clip_to_min_where_min_is_above_max(tmp_path):
    conversion = convert(tmp_path, "Clip", "clip_param { min: 0.5 max: -0.5 }")
    assert (run(conversion, {"data": X})["y"] == 0.5).all()


def test_clip_needs_both_ends(tmp_path):
    with pytest.raises(cbc.ConversionError):
        convert(tmp_path, "Clip", "clip_param { min: 0.5 }")


def test_prelu_slopes_keep_their_channels(tmp_path):
    slopes = np.array([0.5, -2, 0.25], np.float32)
    got = run(convert(tmp_path, "PReLU", weights={"y": [slopes]}), {"data": X})["y"]
    np.testing.assert_array_equal(got, np.where(X > 0, X, X * slopes[:, None, None]))


def test_prelu_without_weights_has_caffes_filler(tmp_path):
    got = run(convert(tmp_path, "PReLU", allow="NET001"), {"data": X})["y"]
    np.testing.assert_array_equal(got, np.where(X > 0, X, X / 4))


def test_prelu_takes_two_axes_or_more(tmp_path):
    with pytest.raises(cbc.InvalidNetError, match="2 axes or more"):
        convert(tmp_path, "PReLU", shape=(2,), allow="all")


def test_prelu_of_volumes_as_intels(tmp_path):
    slopes, x = np.array([0.5, -2, 0.25], np.float32), values("data", 2, 3, 4, 5, 6)
    conversion = convert(tmp_path, "PReLU", weights={"y": [slopes]}, shape=x.shape)
    assert "Intel's PReLU" in conversion.findings[0].what
    got = run(conversion, {"data": x})["y"]
    np.testing.assert_array_equal(got, np.where(x > 0, x, x * slopes[:, None, None, None]))
    assert conversion.verify().passed


def test_absval_in_place_is_refused(tmp_path):
    text = input_layer(2, 3) + layer("AbsVal", "a", tops="data")
    with pytest.raises(cbc.InvalidNetError, match='works in place on "data"'):
        cbc.convert(write_net(tmp_path, text)[0])


def test_dropout_is_random_in_training(tmp_path):
    with pytest.raises(cbc.UnsupportedError, match="random in the TRAIN phase"):
        convert(tmp_path, "Dropout", phase="TRAIN")


def test_dropout_leaves_no_node(tmp_path):
    text = input_layer(2, 3) + layer("ReLU", "r") + layer("Dropout", "d", "r", "r") + layer("TanH", "t", "r")
    graph = cbc.convert(write_net(tmp_path, text)[0]).to_onnx().graph
    assert [node.op_type for node in graph.node] == ["Relu", "Tanh"]


def test_dropout_that_samples_when_testing_needs_consent(tmp_path):
    rest = "dropout_param { sample_weights_test: true dropout_ratio: 0.25 }"
    with pytest.raises(cbc.RefusedError, match=r"DROP001.*random at test time"):
        convert(tmp_path, "Dropout", rest)
    conversion = convert(tmp_path, "Dropout", rest, allow="DROP001")
    assert [finding.code for finding in conversion.findings] == ["DROP001"]
    np.testing.assert_array_equal(run(conversion, {"data": X})["y"], X)
    assert conversion.verify().passed


@pytest.mark.parametrize(
    ("type_", "rest", "field"),
    [
        ("ReLU", "relu_param { maximum: 6 }", "maximum"),
        ("ELU", "elu_param { lambda: 1.05 }", "lambda"),
        ("Dropout", "dropout_param { sample_weights_test: true scale_train: false }", "sample_weights_test"),
    ],
)
def test_fields_of_forks_are_refused_by_name(tmp_path, type_, rest, field):
    with pytest.raises(cbc.UnsupportedError, match=field):
        convert(tmp_path, type_, rest)


def test_dynamic_axes(tmp_path):
    text = input_layer(2, 3, 7, 9) + "".join(
        layer(type_, f"{type_}_y", rest=rest)
        for type_, rest in {
            "ReLU": "relu_param { negative_slope: 0.1 }", "PReLU": "", "Swish": "swish_param { beta: 2 }",
            "Threshold": "", "BNLL": "", "Clip": "clip_param { min: -0.5 max: 0.5 }",
        }.items()
    )  # fmt: skip
    check_dynamic(
        tmp_path, text, {"N": 4, "H": 5, "W": 6}, {"PReLU_y": [np.array([0.1, 0.2, 0.3])]}, data=("N", 3, "H", "W")
    )
