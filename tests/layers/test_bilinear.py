from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def net(first, second):
    return input_layer(*first) + input_layer(*second, name="like") + layer("BilinearInterpolation", "y", "data like")


def line(x, size):
    """Along the last axis by bilinear_layer.cpp: position i (in - 1) / (out - 1), its two neighbours by nearness."""
    at = np.arange(size) * (x.shape[-1] - 1) / (size - 1)
    low = np.minimum(at.astype(int), x.shape[-1] - 2)
    return x[..., low] * (low + 1 - at) + x[..., low + 1] * (at - low)


@pytest.mark.parametrize("size", [(15, 12), (3, 4), (7, 5), (2, 9)])
def test_to_the_size_of_the_second_bottom(tmp_path, size):
    x, like = values("data", 2, 3, 7, 9), values("like", 2, 1, *size)
    got = check_by_oracle(tmp_path, net(x.shape, like.shape), {"data": x, "like": like})["y"]
    wanted = line(line(x, size[1]).swapaxes(2, 3), size[0]).swapaxes(2, 3)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_says_whose_it_is(tmp_path):
    assert "ctensmeyer" in cbc.convert(write_net(tmp_path, net((2, 3, 7, 9), (2, 1, 4, 5)))[0]).findings[0].what


def test_dynamic(tmp_path):
    check_dynamic(
        tmp_path, net((2, 3, 7, 9), (2, 1, 4, 5)), {"N": 4, "H": 6}, data=("N", 3, 7, 9), like=("N", 1, "H", 5)
    )


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [((2, 3, 7, 9), (2, 1, 1, 5), "divides by 0"), ((2, 3, 7), (2, 1, 4, 5), "4-D"), ((2, 3, 7, 9), (2, 5), "4-D")],
)
def test_refusals(tmp_path, first, second, message):
    with pytest.raises(cbc.InvalidNetError, match=message):
        cbc.convert(write_net(tmp_path, net(first, second))[0])
