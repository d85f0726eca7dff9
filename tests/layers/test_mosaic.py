from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

DIVISION = "division_param { width: 3 height: 2 xcoord: 0 xcoord: 6 xcoord: 2 ycoord: 5 ycoord: 1 ycoord: 1 ycoord: 9 }"


def net(division=DIVISION, tops="a b c"):
    return input_layer(2, 4, 7, 9) + layer("Division", "d", "data", tops, division)


def places(xs, ys):
    return "combination_param { " + " ".join(f"xcoord: {x} ycoord: {y}" for x, y in zip(xs, ys, strict=True)) + " }"


def test_pieces(tmp_path):
    """The loops of division_layer.cpp."""
    x = values("data", 2, 4, 7, 9)
    got = check_by_oracle(tmp_path, net(), {"data": x})
    for name, left, top in (("a", 0, 5), ("b", 6, 1), ("c", 2, 1)):
        for b, c, h, i in np.ndindex(2, 4, 2, 3):
            assert got[name][b, c, h, i] == x.ravel()[((b * 4 + c) * 7 + top + h) * 9 + left + i]


SIZES = [(2, 3), (2, 6), (4, 5), (4, 4), (1, 9)]
PLACES = places([0, 3, 0, 5, 0], [0, 0, 2, 2, 6])


def combined(sizes=SIZES, rest=PLACES, order=range(5)):
    text = "".join(input_layer(2, 4, *sizes[k], name=f"x{k}") for k in order)
    return text + layer("Combination", "y", " ".join(f"x{k}" for k in order), rest=rest)


def test_pieces_put_together(tmp_path):
    """The loops of combination_layer.cpp: the plane ends with the last bottom."""
    inputs = {f"x{k}": values(f"x{k}", 2, 4, *size) for k, size in enumerate(SIZES)}
    got = check_by_oracle(tmp_path, combined(), inputs)["y"]
    top = np.zeros((2, 4, 6 + 1, 0 + 9), np.float32)
    for k, (left, row) in enumerate(zip([0, 3, 0, 5, 0], [0, 0, 2, 2, 6], strict=True)):
        for b, c, h, i in np.ndindex(2, 4, *SIZES[k]):
            top[b, c, row + h, left + i] = inputs[f"x{k}"][b, c, h, i]
    np.testing.assert_array_equal(got, top)


def test_there_and_back_is_proven(tmp_path):
    text = input_layer(2, 4, 4, 6)
    grid = "xcoord: 0 xcoord: 3 xcoord: 0 xcoord: 3 ycoord: 0 ycoord: 0 ycoord: 2 ycoord: 2"
    text += layer("Division", "d", "data", "a b c e", f"division_param {{ width: 3 height: 2 {grid} }}")
    text += layer("Combination", "y", "a b c e", rest=f"combination_param {{ {grid} }}")
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    assert conversion.verify().verdict == "proven"
    x = values("data", 2, 4, 4, 6)
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, {"data": x})["y"], x)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net(tops="a b c e f"), "5 pieces need as many"),
        (net(DIVISION.replace("xcoord: 6", "xcoord: 7")), "sticks out of the plane of 7x9"),
        (net("division_param { width: 3 }"), "needs width and height"),
        (combined(rest=places([0, 3, 0, 4, 0], [0, 0, 2, 2, 6])), "without gaps and overlaps"),
        (combined([(2, 3), (2, 6), (4, 5), (3, 4), (1, 9)]), "without gaps and overlaps"),
        (combined(rest=places([0, 3, 0, 5, 0], [0, 0, 2, 2, 7])), "without gaps and overlaps"),
        (combined(order=[0, 1, 2]), "without gaps and overlaps"),
        (input_layer(2, 4, 2, 3) + input_layer(2, 5, 2, 3, name="b")
         + layer("Combination", "y", "data b", rest=places([0, 3], [0, 0])), "as many items and channels"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
