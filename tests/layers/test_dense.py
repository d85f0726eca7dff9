from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
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


class TestWeightsFromABottom:
    """training_toolbox_caffe's."""

    @staticmethod
    def net(rest, *shapes):
        names = [f"b{i}" for i, _ in enumerate(shapes)]
        inputs = "".join(input_layer(*shape, name=name) for shape, name in zip(shapes, names, strict=True))
        return inputs + layer("InnerProduct", "y", " ".join(names), rest=IP.format(rest))

    @pytest.mark.parametrize(
        ("rest", "shapes"),
        [
            ("bias_term: false", ((4, 3, 6), (7, 18))),
            ("axis: 2 bias_term: false", ((4, 3, 6), (2, 6))),
            ("", ((4, 3, 6), (7, 3, 6), (7,))),
        ],
    )
    def test_by_oracle(self, tmp_path, rest, shapes):
        x = {f"b{i}": values(f"b{i}", *shape) for i, shape in enumerate(shapes)}
        wanted = check_by_oracle(tmp_path, self.net(rest, *shapes), x)["y"]
        rows = shapes[1][0]
        by_hand = x["b0"].reshape(-1, x["b1"].size // rows) @ x["b1"].reshape(rows, -1).T + x.get("b2", 0)
        np.testing.assert_allclose(wanted.reshape(-1, rows), by_hand, rtol=1e-5, atol=1e-5)

    def test_dynamic_batch(self, tmp_path):
        check_dynamic(
            tmp_path, self.net("axis: 2 bias_term: false", (2, 3, 6), (2, 6)), {"N": 3}, b0=("N", 3, 6), b1=(2, 6)
        )

    @pytest.mark.parametrize(
        ("rest", "shapes", "message"),
        [
            ("bias_term: false transpose: true", ((4, 6), (7, 6)), "not known with transpose"),
            ("", ((4, 6), (7, 6)), "needs a third bottom"),
            ("bias_term: false", ((4, 6), (7, 5)), "do not fit"),
            ("", ((4, 6), (7, 6), (6,)), "for each row"),
            ("bias_term: false normalize: true", ((4, 6), (7, 6)), "normalize"),
        ],
    )
    def test_refusals(self, tmp_path, rest, shapes, message):
        with pytest.raises(cbc.ConversionError, match=message):
            cbc.convert(write_net(tmp_path, self.net(rest, *shapes))[0])
