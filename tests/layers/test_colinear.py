from __future__ import annotations

import itertools

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

ONES = "".join(f'{name}_filler {{ type: "constant" value: 1 }} ' for name in ("quadratic_weight", "linear_weight"))


def net(rest, *shape):
    return input_layer(*(shape or (2, 3, 6, 4))) + layer(
        "COLINEAR_CONVOLUTION", "y", rest=f"colinear_convolution_param {{ {rest} }}"
    )


def weights(outputs, channels, size, group=1, linear=True, quadratic=True):
    rows, unused = channels * size**2, (1, 1, 1, outputs)
    linear_shape = (outputs, channels // group, size, size) if linear else unused
    quadratic_shape = (1, outputs, rows, rows) if quadratic else unused
    return [values("b", *unused), values("w", *linear_shape), values("q", *quadratic_shape)]


@pytest.mark.parametrize(
    ("rest", "blobs"),
    [
        ("num_output: 2 kernel_size: 3 pad: 1 stride: 2", weights(2, 3, 3)),
        ("num_output: 3 kernel_size: 2 group: 3", weights(3, 3, 2, 3)),
        ("num_output: 2 kernel_size: 2 linear_term: false", weights(2, 3, 2, linear=False)),
        ("num_output: 2 kernel_size: 3 quadratic_term: false pad: 2", weights(2, 3, 3, quadratic=False)),
        ("num_output: 2 kernel_size: 1 bias_term: false", weights(2, 3, 1)),
    ],
)
def test_by_oracle(tmp_path, rest, blobs):
    check_by_oracle(tmp_path, net(rest), {"data": values("data", 2, 3, 6, 4)}, {"y": blobs})


def test_as_the_forks_own_test(tmp_path):
    rest = f'num_output: 4 kernel_size: 3 stride: 2 {ONES} bias_filler {{ type: "constant" value: 0.1 }}'
    wanted = check_by_oracle(tmp_path, net(rest), {"data": np.ones((2, 3, 6, 4), np.float32)})
    np.testing.assert_allclose(wanted["y"], np.full((2, 4, 2, 1), 27 * 27 + 27 + 0.1, np.float32), rtol=1e-6)


def test_by_hand(tmp_path):
    """Loops over the places of one patch, as written in the fork."""
    x, blobs = values("data", 1, 2, 3, 3), weights(2, 2, 2)
    wanted = check_by_oracle(tmp_path, net("num_output: 2 kernel_size: 2", 1, 2, 3, 3), {"data": x}, {"y": blobs})
    for m, h, w in itertools.product(range(2), repeat=3):
        patch = [x[0, c, h + i, w + j] for c in range(2) for i in range(2) for j in range(2)]
        total = sum(a * blobs[2][0, m, i, j] * b for i, a in enumerate(patch) for j, b in enumerate(patch))
        total += sum(a * b for a, b in zip(patch, blobs[1][m].ravel(), strict=True)) + blobs[0].ravel()[m]
        assert wanted["y"][0, m, h, w] == pytest.approx(total, rel=1e-5)


def test_v1_type(tmp_path):
    text = 'input: "data" input_dim: [2, 3, 6, 4] layers { name: "y" type: COLINEAR_CONVOLUTION bottom: "data" top: "y"'
    text += f" colinear_convolution_param {{ num_output: 1 kernel_size: 2 {ONES} }} }}"
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 6, 4)})


def test_dynamic_batch(tmp_path):
    text = net("num_output: 2 kernel_size: 3")
    check_dynamic(tmp_path, text, {"N": 3}, {"y": weights(2, 3, 3)}, data=("N", 3, 6, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("num_output: 2 kernel_size: 3 symmetric: true"), "symmetric"),
        (net("num_output: 2 kernel_size: 3 mask: 1"), "mask"),
        (net("num_output: 2 kernel_size: 3 factor: 2"), "factor"),
        (net("num_output: 2 kernel_size: 9"), "does not fit"),
        (net("kernel_size: 3"), "needs num_output"),
        (net("num_output: 3 kernel_size: 3 group: 2"), "no multiple of group"),
        (net("num_output: 2 kernel_size: 3 quadratic_term: false linear_term: false"), "neither"),
        (net("num_output: 2 kernel_size: 3", 2, 3), "4 axes"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
