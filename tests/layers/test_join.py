from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

GROUPS = ["Concat", "Slice", "Eltwise", "Split", "Silence", "Filter", "BatchReindex"]


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases(*GROUPS))
def test_as_caffe(folder, opset):
    check(folder, opset)


def two(*shapes):
    return "".join(input_layer(*shape, name=name) for shape, name in zip(shapes, "ab", strict=True))


def refused(folder, text, message, error=cbc.InvalidNetError, **options):
    with pytest.raises(error, match=message):
        cbc.convert(write_net(folder, text)[0], allow="all", **options)


def test_concat_along_a_dynamic_axis(tmp_path):
    text = two((2, 3), (4, 3)) + layer("Concat", "y", "a b", rest="concat_param { axis: 0 }")
    conversion = check_dynamic(tmp_path, text, {"N": 5, "M": 6}, a=("N", 3), b=("M", 3))
    assert shape_of(conversion, "y") == ["M + N", 3]


@pytest.mark.parametrize(
    ("shapes", "rest", "message"),
    [
        (((2, 3), (2, 3, 1)), "", "differ in more than axis 1"),
        (((2, 3), (4, 3)), "", "differ in more than axis 1"),
        (((2, 3), (2, 3)), "concat_param { axis: 0 concat_dim: 0 }", "Caffe takes either"),
        (((2, 3), (2, 3)), "concat_param { concat_dim: 2 }", "out of range"),
    ],
)
def test_concat_refuses(tmp_path, shapes, rest, message):
    refused(tmp_path, two(*shapes) + layer("Concat", "y", "a b", rest=rest), message)


@pytest.mark.parametrize("rest", ["slice_param { axis: 1 slice_point: 2 slice_point: 3 }", "slice_param { axis: 1 }"])
def test_slice_along_a_dynamic_axis(tmp_path, rest):
    text = input_layer(2, 6, 7) + layer("Concat", "d", "data data data") + layer("Slice", "s", "d", "p q r", rest)
    conversion = check_dynamic(tmp_path, text, {"C": 4}, data=(2, "C", 7))
    assert shape_of(conversion, "r")[1] == ("C" if "point" not in rest else "3*C - 3")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "7 does not divide into 2 equal parts"),
        ("slice_param { slice_point: 2 slice_point: 3 }", "2 tops but 2 slice points"),
        ("slice_param { slice_point: 0 }", "do not rise"),
        ("slice_param { slice_point: 8 }", "beyond the axis of 7"),
        ("slice_param { axis: 1 slice_dim: 1 slice_point: 1 }", "Caffe takes either"),
    ],
)
def test_slice_refuses(tmp_path, rest, message):
    refused(tmp_path, input_layer(2, 7) + layer("Slice", "s", tops="p q", rest=rest), message)


def test_slice_in_equal_parts_of_an_unknown_size_is_refused(tmp_path):
    text = input_layer(2, 6) + layer("Slice", "s", tops="p q")
    refused(tmp_path, text, "the size is dynamic: C", cbc.UnsupportedError, shapes={"data": (2, "C")})


@pytest.mark.parametrize(
    ("coeff", "ops"),
    [
        ((), ["Add"]),
        ((1, -1), ["Sub"]),
        ((-1, 1), ["Neg", "Add"]),
        ((0.5, -2), ["Mul", "Mul", "Sub"]),
        ((0, 1), ["Identity"]),
        ((0, 0), ["ConstantOfShape"]),
    ],
)
def test_eltwise_sums(tmp_path, coeff, ops):
    rest = "eltwise_param { " + " ".join(f"coeff: {c}" for c in coeff) + " }"
    text = two((2, 3, 7), (2, 3, 7)) + layer("Eltwise", "y", "a b", rest=rest)
    conversion = check_dynamic(tmp_path, text, {"N": 4}, a=("N", 3, 7), b=("N", 3, 7))
    inputs = {name: values(name, 4, 3, 7) for name in "ab"}
    p, q = coeff or (1, 1)
    np.testing.assert_allclose(run(conversion, inputs)["y"], p * inputs["a"] + q * inputs["b"], rtol=1e-6, atol=1e-7)
    made = [n.op_type for n in conversion.to_onnx().graph.node if n.op_type != "Shape"]
    assert made == ops


@pytest.mark.parametrize(
    ("shapes", "rest", "message"),
    [
        (((2, 3), (2, 1)), "", "they must have one shape"),
        (((2, 3), (3,)), "", "they must have one shape"),
        (((2, 3), (2, 3)), "eltwise_param { axis: 1 }", "they must have one shape"),
        (((3,), (2, 3)), "", "they must have one shape"),
        (((2, 3), (2, 3)), "eltwise_param { coeff: 2 }", "2 bottoms but 1 coefficients"),
        (((2, 3), (2, 3)), "eltwise_param { operation: PROD coeff: 2 coeff: 1 }", "for operation: SUM"),
    ],
)
def test_eltwise_refuses(tmp_path, shapes, rest, message):
    refused(tmp_path, two(*shapes) + layer("Eltwise", "y", "a b", rest=rest), message)


def test_eltwise_with_an_operation_of_a_fork_is_refused(tmp_path):
    text = two((2, 3), (2, 3)) + layer("Eltwise", "y", "a b", rest="eltwise_param { operation: SORT }")
    refused(tmp_path, text, "a fork's", cbc.UnsupportedError)


SECOND = {"first": ((2,), ""), "middle": ((3, 7), "axis: 1"), "last": ((9,), "axis: -1"), "scalar": ((), "")}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("rest", ["", "coeff: 0.5 coeff: -1", "coeff: 0 coeff: 2", "operation: PROD", "operation: MAX",
                                  "operation: DIV", "operation: MIN"])  # fmt: skip
def test_eltwise_of_synopsys_puts_the_second_bottom_on_axes_of_the_first(tmp_path, second, rest):
    """By the formula of its eltwise_layer.cpp, cell by cell of outer x own x inner."""
    shape, axis = SECOND[second]
    a, b = values("a", 2, 3, 7, 9), np.asarray(values("b", *shape) + 2, np.float32)
    text = two(a.shape, shape) + layer("Eltwise", "y", "a b", rest=f"eltwise_param {{ {rest} {axis} }}")
    got = check_by_oracle(tmp_path, text, {"a": a, "b": b})["y"]
    outer = {"first": 1, "middle": 2, "last": 2 * 3 * 7, "scalar": 1}[second]
    x, y = a.reshape(outer, b.size, -1), b.reshape(1, b.size, 1)
    p, q = {"coeff: 0.5 coeff: -1": (0.5, -1), "coeff: 0 coeff: 2": (0, 2)}.get(rest, (1, 1))
    wanted = {
        "operation: PROD": x * y, "operation: MAX": np.maximum(x, y), "operation: DIV": x / y,
        "operation: MIN": np.minimum(x, y),
    }.get(rest, p * x + q * y)  # fmt: skip
    np.testing.assert_allclose(got, wanted.reshape(a.shape), rtol=1e-6, atol=1e-6)
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    assert "synopsys' Eltwise" in conversion.findings[0].what


def test_eltwise_that_broadcasts_has_a_dynamic_batch(tmp_path):
    text = two((2, 3, 7), (3,)) + layer("Eltwise", "y", "a b", rest="eltwise_param { axis: 1 coeff: 0 coeff: 3 }")
    check_dynamic(tmp_path, text, {"N": 4}, a=("N", 3, 7), b=(3,))


def test_eltwise_does_not_look_at_what_counts_for_nothing(tmp_path):
    text = two((2, 3), (2, 3)) + layer("Eltwise", "y", "a b", rest="eltwise_param { coeff: 0 coeff: 1 }")
    b = values("b", 2, 3)
    got = check_by_oracle(tmp_path, text, {"a": np.full((2, 3), np.inf, np.float32), "b": b})["y"]
    np.testing.assert_array_equal(got, b)


@pytest.mark.parametrize("operation", ["SUM", "MAX", "MIN"])
def test_eltwise_in_place_would_read_what_caffe_has_cleared(tmp_path, operation):
    rest = f"eltwise_param {{ operation: {operation} }}"
    refused(tmp_path, two((2, 3), (2, 3)) + layer("Eltwise", "y", "a b", "a", rest), 'in place on "a"')


def test_eltwise_products_in_place(tmp_path):
    text = two((2, 3), (2, 3)) + layer("Eltwise", "y", "a b", "a", "eltwise_param { operation: PROD }")
    inputs = {name: values(name, 2, 3) for name in "ab"}
    got = run(cbc.convert(write_net(tmp_path, text)[0]), inputs)
    np.testing.assert_array_equal(got["a/y"], inputs["a"] * inputs["b"])


def test_filter_keeps_what_is_selected(tmp_path):
    text = two((4, 3), (4, 1, 1)) + layer("Filter", "f", "a a b", "p q") + layer("TanH", "t", "p")
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    a = values("a", 4, 3)
    got = run(conversion, {"a": a, "b": np.array([0, -0.5, 0, 2], np.float32).reshape(4, 1, 1)})
    np.testing.assert_array_equal(got["q"], a[[1, 3]])
    assert shape_of(conversion, "t") == ["f/rows", 3]


def test_filter_refuses(tmp_path):
    refused(tmp_path, two((4, 3), (4, 2)) + layer("Filter", "f", "a b", "p"), "only its first axis")
    refused(tmp_path, two((4, 3), (5, 1)) + layer("Filter", "f", "a b", "p"), "the selector is 5x1")
    refused(tmp_path, two((4, 3), (4, 1)) + layer("Filter", "f", "a b", "p q"), "needs 1 tops")


def test_batch_reindex_with_a_dynamic_number_of_indices(tmp_path):
    text = two((4, 3, 2), (5,)) + layer("BatchReindex", "y", "a b")
    conversion = cbc.convert(write_net(tmp_path, text)[0], shapes={"b": ("M",)})
    a = values("a", 4, 3, 2)
    got = run(conversion, {"a": a, "b": np.array([3, 0, 3], np.float32)})["y"]
    np.testing.assert_array_equal(got, a[[3, 0, 3]])
    assert shape_of(conversion, "y") == ["M", 3, 2]
    refused(tmp_path, two((4, 3), (4, 1)) + layer("BatchReindex", "y", "a b"), "must have one axis")
