from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.nets import input_layer, layer, write_net

IP = "inner_product_param {{ num_output: 5 {} }}"


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("InnerProduct", "Embed"))
def test_as_caffe(folder, opset):
    check(folder, opset)


@pytest.mark.parametrize("transpose", ["false", "true"])
def test_weights_pass_through(tmp_path, transpose):
    shape = (18, 5) if transpose == "true" else (5, 18)
    weight, bias = values("w", *shape), values("b", 5)
    text = input_layer(4, 3, 6) + layer("InnerProduct", "y", rest=IP.format(f"transpose: {transpose}"))
    model = cbc.convert(*write_net(tmp_path, text, {"y": [weight, bias]})).model
    stored = {i.name: i.data for i in model.initializers}
    assert not isinstance(stored["y/weight"], np.ndarray)
    assert stored["y/weight"].passes_through and stored["y/bias"].passes_through


@pytest.mark.parametrize(
    ("axis", "shape", "top"),
    [
        (1, ("N", 3, 7), ["N", 5]),
        (2, ("N", 3, 7), ["N", 3, 5]),
        (2, ("N", "T", 7), ["N", "T", 5]),
        (3, ("N", "T", 4, 7), ["N", "T", 4, 5]),
        (-1, (2, "T", 7), [2, "T", 5]),
    ],
)
def test_dynamic_axes_before_the_axis(tmp_path, axis, shape, top):
    inputs = 21 if axis == 1 else 7
    text = input_layer(*(2,) * len(shape)) + layer("InnerProduct", "y", rest=IP.format(f"axis: {axis}"))
    weights = {"y": [values("w", 5, inputs), values("b", 5)]}
    conversion = check_dynamic(tmp_path, text, {"N": 2, "T": 6}, weights, data=shape)
    assert shape_of(conversion, "y") == top


def test_a_dynamic_axis_that_is_multiplied_away_is_refused(tmp_path):
    prototxt, _ = write_net(tmp_path, input_layer(2, 3, 7) + layer("InnerProduct", "y", rest=IP.format("")))
    with pytest.raises(cbc.UnsupportedError, match="the size is dynamic: W"):
        cbc.convert(prototxt, shapes={"data": (2, 3, "W")}, allow="all")


@pytest.mark.parametrize(
    ("type_", "rest", "message"),
    [
        ("InnerProduct", "", "needs num_output"),
        ("InnerProduct", IP.format("axis: 3"), "axis 3 is out of range for a blob of 3 axes"),
        ("Embed", "embed_param { num_output: 5 }", "needs num_output and input_dim"),
    ],
)
def test_refusals(tmp_path, type_, rest, message):
    prototxt, _ = write_net(tmp_path, input_layer(2, 3, 7) + layer(type_, "y", rest=rest))
    with pytest.raises(cbc.InvalidNetError, match=message):
        cbc.convert(prototxt, allow="all")


def test_embed_cuts_off_fractions(tmp_path):
    rest = "embed_param { num_output: 4 input_dim: 3 bias_term: false }"
    rows = values("rows", 3, 4)
    text = input_layer(2, 1) + layer("Embed", "y", rest=rest)
    conversion = cbc.convert(*write_net(tmp_path, text, {"y": [rows]}), batch="dynamic")
    got = run(conversion, {"data": np.array([[0.9], [2.0], [1.5]], np.float32)})["y"]
    np.testing.assert_array_equal(got, rows[[0, 2, 1]][:, None])
    assert shape_of(conversion, "y") == ["N", 1, 4]
