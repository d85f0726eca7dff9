from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def by_hand(x, groups, eps):
    """The gemv and gemm of group_norm_layer.cu: rows of neighbouring channels."""
    top = np.empty(x.shape)
    chip = x.shape[1] // groups
    for n in range(len(x)):
        for g in range(groups):
            part = x[n, g * chip : (g + 1) * chip].astype(float)
            mean = sum(part.ravel()) / part.size
            variance = sum((v - mean) ** 2 for v in part.ravel()) / part.size
            top[n, g * chip : (g + 1) * chip] = (part - mean) / np.sqrt(variance + eps)
    return top


@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (2, 6, 3, 4, 5), (3, 12)])
@pytest.mark.parametrize(("rest", "eps"), [("group_num: 3", 1e-5), ("group_num: 2 eps: 0.5", 0.5)])
def test_groups(tmp_path, shape, rest, eps):
    x = values("data", *shape)
    text = input_layer(*shape) + layer("GroupNorm", "y", rest=f"group_norm_param {{ {rest} }}")
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_allclose(got, by_hand(x, int(rest[11]), eps), rtol=1e-4, atol=1e-5)


def test_in_place_behind_it_a_scale(tmp_path):
    """As the nets of the fork have it."""
    text = input_layer(2, 6, 5, 7) + layer("GroupNorm", "g", "data", "data", "group_norm_param { group_num: 3 }")
    text += layer("Scale", "y", "data", rest="scale_param { bias_term: true }")
    conversion = cbc.convert(*write_net(tmp_path, text, {"y": [values("s", 6), values("b", 6)]}))
    assert "dongyf43" in conversion.findings[0].what
    assert conversion.verify().verdict == "proven"


def test_dynamic(tmp_path):
    text = input_layer(2, 6, 5, 7) + layer("GroupNorm", "y", rest="group_norm_param { group_num: 3 }")
    check_dynamic(tmp_path, text, {"N": 4, "H": 3}, data=("N", 6, "H", 7))
    check_dynamic(tmp_path, text, {"N": 4, "H": 3, "W": 5}, data=("N", 6, "H", "W"))


@pytest.mark.parametrize(
    ("rest", "blobs", "message"),
    [
        ("", None, "without group_num, or with blobs"),
        ("group_norm_param { group_num: 3 }", [np.ones(6), np.ones(6)], "without group_num, or with blobs"),
        ("group_norm_param { group_num: 4 }", None, "6 channels are no multiple of group_num 4"),
        ("group_norm_param { group_num: 3 group_ratio: 2 }", None, '"group_norm_param.group_ratio" is not known'),
    ],
)
def test_refusals(tmp_path, rest, blobs, message):
    text = input_layer(2, 6, 5, 7) + layer("GroupNorm", "y", rest=rest)
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, text, {"y": blobs} if blobs else None))


def test_a_long_group_is_proven(tmp_path):
    """Runtimes add its numbers one by one, which rounds far more than NumPy's sums by pairs."""
    text = input_layer(1, 2, 64, 50, 60) + layer("Power", "r", rest="power_param { power: 3 }")
    text += layer("GroupNorm", "y", "r", rest="group_norm_param { group_num: 1 }")
    assert cbc.convert(write_net(tmp_path, text)[0]).verify().verdict == "proven"
