from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, assert_close, cases, check, run, values
from tests.layers.dynamic import check_dynamic
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("Power", "Exp", "Log"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def convert(folder, type_, rest):
    return cbc.convert(write_net(folder, input_layer(*X.shape) + layer(type_, "y", rest=rest))[0])


def test_exp_and_log_undo_each_other(tmp_path):
    text = (
        input_layer(*X.shape)
        + layer("Exp", "e", rest="exp_param { base: 3 scale: 0.5 shift: -1 }")
        + layer("Log", "y", "e", rest="log_param { base: 3 scale: 2 }")
    )
    got = run(cbc.convert(write_net(tmp_path, text)[0]), {"data": X})["y"]
    assert_close(got, (0.5 * X - 1 + np.log(2) / np.log(3)).astype(np.float32))


def test_nothing_is_emitted_that_does_nothing(tmp_path):
    text = input_layer(2, 3) + layer("Exp", "y", rest="exp_param { base: -1 }")
    assert [n.op_type for n in cbc.convert(write_net(tmp_path, text)[0]).to_onnx().graph.node] == ["Exp"]


@pytest.mark.parametrize("type_", ["Exp", "Log"])
@pytest.mark.parametrize("base", ["0", "-2"])
def test_bases_are_positive(tmp_path, type_, base):
    with pytest.raises(cbc.InvalidNetError, match="not a positive number"):
        convert(tmp_path, type_, f"{type_.lower()}_param {{ base: {base} }}")


def test_no_logarithm_to_base_1(tmp_path):
    with pytest.raises(cbc.InvalidNetError, match="base 1"):
        convert(tmp_path, "Log", "log_param { base: 1 }")


def test_a_constant_of_dynamic_shape(tmp_path):
    text = input_layer(2, 3) + layer("Power", "y", rest="power_param { power: 2 scale: 0 shift: 1.5 }")
    conversion = check_dynamic(tmp_path, text, {"N": 5}, data=("N", 3))
    assert (run(conversion, {"data": values("data", 4, 3)})["y"] == 2.25).all()
