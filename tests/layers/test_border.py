from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


@pytest.mark.parametrize(
    ("kind", "rest", "by_hand"),
    [
        ("Padding", "padding_param { pad_beg: 2 pad_end: 1 }", np.pad(X, ((0, 0), (0, 0), (2, 1), (2, 1)))),
        ("Padding", "padding_param { pad_beg: -2 pad_end: -1 }", X[:, :, 2:-1, 2:-1]),
        ("Padding", "padding_param { pad_beg: -2 }", X[:, :, 2:, 2:]),
        (
            "Padding",
            "padding_param { pad_l: 1 pad_r: 2 pad_t: 3 pad_b: 4 pad_value: -5 }",
            np.pad(X, ((0, 0), (0, 0), (3, 4), (1, 2)), constant_values=-5),
        ),
        ("Pad", "pad_param { paddings: [0, 1, 2, 0, 3, 1, 0, 0] constant_values: 0.5 }",
         np.pad(X, ((0, 1), (2, 0), (3, 1), (0, 0)), constant_values=0.5)),
        ("Pad", "pad_param { paddings: [0, 0, 0, 0, 0, 0, 0, 0] }", X),
    ],
)  # fmt: skip
def test_by_hand_and_by_the_oracle(tmp_path, kind, rest, by_hand):
    wanted = check_by_oracle(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest), {"data": X})
    np.testing.assert_array_equal(wanted["y"], by_hand)


BLOCKS = "block_shape: 1 block_shape: 2 block_shape: 3 paddings: [0, 0, 2, 1, 0, 3]"


def test_space_to_batch_and_back(tmp_path):
    back = "block_shape: 1 block_shape: 2 block_shape: 3 crops: [0, 0, 2, 1, 0, 3]"
    text = input_layer(2, 3, 7, 9) + layer("SpaceToBatchND", "b", rest=f"space_to_batch_nd_param {{ {BLOCKS} }}")
    text += layer("Power", "p", "b", rest="power_param { scale: 2 }")
    text += layer("BatchToSpaceND", "y", "p", rest=f"batch_to_space_nd_param {{ {back} }}")
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, {"data": X})["y"], 2 * X)
    check_dynamic(tmp_path, text, {"N": 4}, data=("N", 3, 7, 9))


def test_the_example_of_tensorflow(tmp_path):
    text = input_layer(1, 2, 2, 1) + layer(
        "SpaceToBatchND", "y", rest="space_to_batch_nd_param { block_shape: [2, 2] paddings: [0, 0, 0, 0] }"
    )
    x = np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1)
    wanted = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_array_equal(wanted, x.reshape(4, 1, 1, 1))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_random_blocks(tmp_path, count):
    random = np.random.default_rng(count)
    block, parts = random.integers(1, 4, count), random.integers(1, 4, count)
    border = [(int(random.integers(0, b)), 0) for b in block]
    sizes = [int(b * n - before) for b, n, (before, _) in zip(block, parts, border, strict=True)]
    pads = [str(n) for pair in border for n in pair]
    rest = f"space_to_batch_nd_param {{ block_shape: {list(map(int, block))} paddings: [{', '.join(pads)}] }}"
    shape = (2, *(max(1, size) for size in sizes), 5)
    text = input_layer(*shape) + layer("SpaceToBatchND", "y", rest=rest)
    check_by_oracle(tmp_path, text, {"data": values("data", *shape)})


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("Padding", "padding_param { pad_beg: 1 pad_end: -1 }", "both be"),
        ("Padding", "padding_param { pad_beg: -5 pad_end: -4 }", "nothing would be left"),
        ("Padding", "padding_param { pad_beg: 1 pad_l: 2 }", 'the field "pad_l"'),
        ("Pad", "pad_param { paddings: 1 }", "two numbers for each axis"),
        ("Pad", "pad_param { paddings: [1, 1] }", "paddings for 1 axes"),
        ("SpaceToBatchND", "space_to_batch_nd_param { block_shape: 2 paddings: [0, 0] }", "does not divide"),
        ("BatchToSpaceND", "batch_to_space_nd_param { block_shape: 3 crops: [0, 0] }", "do not divide"),
        ("BatchToSpaceND", "batch_to_space_nd_param { block_shape: 2 crops: [3, 3] }", "leave nothing"),
    ],
)
def test_refusals(tmp_path, kind, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, input_layer(2, 3, 7, 9) + layer(kind, "y", rest=rest))[0])
