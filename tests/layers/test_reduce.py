from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import LEVELS, OPSETS, cases, check, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.nets import input_layer, layer, write_net

SIZES = {"N": 4, "C": 6, "H": 5, "W": 8}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("Softmax", "ArgMax", "Reduction"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def refused(folder, text, message, error=cbc.InvalidNetError, **options):
    with pytest.raises(error, match=message):
        cbc.convert(write_net(folder, text)[0], **options)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_the_largest_index_wins_among_equals(tmp_path, opset, level, top_k):
    x = np.random.default_rng(0).integers(0, 3, (4, 3, 7)).astype(np.float32)
    text = input_layer(*x.shape)
    text += layer("ArgMax", "along", rest=f"argmax_param {{ axis: 2 top_k: {top_k} }}")
    text += layer("ArgMax", "values", rest=f"argmax_param {{ axis: 2 top_k: {top_k} out_max_val: true }}")
    text += layer("ArgMax", "both", rest=f"argmax_param {{ top_k: {top_k} out_max_val: true }}")
    got = run(cbc.convert(write_net(tmp_path, text)[0], opset=opset), {"data": x}, level)

    def best(row):
        return sorted(((v, i) for i, v in enumerate(row.tolist())), reverse=True)[:top_k]

    along = np.apply_along_axis(lambda row: [i for _, i in best(row)], 2, x)
    np.testing.assert_array_equal(got["along"], along)
    np.testing.assert_array_equal(got["values"], np.take_along_axis(x, along, 2))
    rows = [best(item.ravel()) for item in x]
    np.testing.assert_array_equal(got["both"], [[[i for _, i in row], [v for v, _ in row]] for row in rows])


@pytest.mark.parametrize(
    ("rest", "shape", "top"),
    [
        ("", ("N", 3, "H", "W"), ["N", 1, 1, 1]),
        ("out_max_val: true top_k: 2", ("N", 3, 7), ["N", 2, 2]),
        ("axis: 1", ("N", "C", "H", "W"), ["N", 1, "H", "W"]),
        ("axis: 1 top_k: 2 out_max_val: true", ("N", "C", "H", "W"), ["N", 2, "H", "W"]),
        ("", ("N", 7), ["N", 1, 1]),
    ],
)
def test_argmax_with_dynamic_axes(tmp_path, rest, shape, top):
    text = input_layer(*(3,) * len(shape)) + layer("ArgMax", "y", rest=f"argmax_param {{ {rest} }}")
    assert shape_of(check_dynamic(tmp_path, text, SIZES, data=shape), "y") == top


@pytest.mark.parametrize("rest", ["top_k: 0", "top_k: 22", "top_k: 4 axis: 1", "axis: 3"])
def test_argmax_refuses(tmp_path, rest):
    refused(tmp_path, input_layer(2, 3, 7) + layer("ArgMax", "y", rest=f"argmax_param {{ {rest} }}"), "top_k|axis 3")


def test_argmax_of_a_fork_is_refused(tmp_path):
    text = input_layer(2, 3) + layer("ArgMax", "y", rest="argmax_param { min_first: true }")
    refused(tmp_path, text, "min_first", cbc.UnsupportedError)


@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ", "MEAN"])
@pytest.mark.parametrize(("axis", "top"), [(0, []), (1, ["N"]), (-1, ["N", 3, "H"])])
def test_reductions_with_dynamic_axes(tmp_path, operation, axis, top):
    rest = f"reduction_param {{ operation: {operation} axis: {axis} coeff: -0.5 }}"
    text = input_layer(2, 3, 7, 9) + layer("Reduction", "y", rest=rest)
    conversion = check_dynamic(tmp_path, text, SIZES, data=("N", 3, "H", "W"))
    assert shape_of(conversion, "y") == top
    x = values("data", 2, 3, 4, 5)
    axes = tuple(range(axis % 4, 4))
    wanted = {"SUM": x.sum(axes), "ASUM": abs(x).sum(axes), "SUMSQ": (x * x).sum(axes), "MEAN": x.mean(axes)}[operation]
    np.testing.assert_allclose(run(conversion, {"data": x})["y"], -0.5 * wanted, rtol=1e-5, atol=1e-5)


def test_a_reduction_of_a_fork_is_refused(tmp_path):
    text = input_layer(2, 3) + layer("Reduction", "y", rest="reduction_param { operation: TOPK }")
    refused(tmp_path, text, "a fork's|k", cbc.UnsupportedError)


def test_softmax_refuses_an_axis_that_is_not_there(tmp_path):
    refused(tmp_path, input_layer(7) + layer("Softmax", "y"), "axis 1 is out of range for a blob of 1 axes")


def test_softmax_along_a_dynamic_axis(tmp_path):
    text = input_layer(2, 3, 7) + layer("Softmax", "y", rest="softmax_param { axis: -2 }")
    check_dynamic(tmp_path, text, SIZES, data=("N", "C", 7))
