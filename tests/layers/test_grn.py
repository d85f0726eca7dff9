from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


def test_grn(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("GRN", "y", rest="grn_param { bias: 0.5 }")
    wanted = check_by_oracle(tmp_path, text, {"data": X})["y"]
    np.testing.assert_allclose(wanted, X / np.sqrt((X.astype(np.float64) ** 2).sum(1, keepdims=True) + 0.5), rtol=1e-5)
    check_dynamic(tmp_path, text, {"N": 4, "H": 5}, data=("N", 3, "H", 9))


def test_a_bias_must_be_given(tmp_path):
    with pytest.raises(cbc.ConversionError, match="forks disagree"):
        cbc.convert(write_net(tmp_path, input_layer(2, 3) + layer("GRN", "y"))[0])


@pytest.mark.parametrize("kind", ["L1", "L2"])
@pytest.mark.parametrize("tops", ["y", "y z"])
def test_normalize_of_caffe_windows(tmp_path, kind, tops):
    rest = f'normalize_param {{ normalize_type: "{kind}" }}'
    text = input_layer(2, 3, 7, 9) + layer("Normalize", "y", "data", tops, rest)
    wanted = check_by_oracle(tmp_path, text, {"data": X})
    x = X.astype(np.float64)
    norm = np.sqrt((x * x).sum(1, keepdims=True) + 1e-6) if kind == "L2" else np.abs(x).sum(1, keepdims=True) + 1e-6
    np.testing.assert_allclose(wanted["y"], x / norm, rtol=1e-5)


def test_the_other_normalize_is_told(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Normalize", "y", rest="normalize_param { }")
    assert "caffe-windows" in cbc.convert(write_net(tmp_path, text)[0]).findings[0].what
