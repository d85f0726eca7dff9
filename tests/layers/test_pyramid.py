from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check
from tests.layers.dynamic import check_dynamic, shape_of
from tests.nets import input_layer, layer, write_net


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("SPP"))
def test_as_caffe(folder, opset):
    check(folder, opset)


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_dynamic_batch(tmp_path, pool):
    text = input_layer(2, 3, 7, 9) + layer("SPP", "y", rest=f"spp_param {{ pyramid_height: 3 pool: {pool} }}")
    conversion = check_dynamic(tmp_path, text, {"N": 4}, data=("N", 3, 7, 9))
    assert shape_of(conversion, "y") == ["N", 3 * (1 + 4 + 16)]


@pytest.mark.parametrize(
    ("rest", "shape", "message"),
    [
        ("", (2, 3, 7, 9), "needs pyramid_height"),
        ("pyramid_height: 4", (2, 3, 7, 9), "7x9 is too small for 8x8 bins"),
        ("pyramid_height: 2", (2, 3, 7), "SPP takes 4-D blobs"),
        ("pyramid_height: 2 pool: STOCHASTIC", (2, 3, 7, 9), "random"),
    ],
)
def test_refusals(tmp_path, rest, shape, message):
    prototxt, _ = write_net(tmp_path, input_layer(*shape) + layer("SPP", "y", rest=f"spp_param {{ {rest} }}"))
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(prototxt)


def test_dynamic_height_is_refused(tmp_path):
    prototxt, _ = write_net(
        tmp_path, input_layer(2, 3, 7, 9) + layer("SPP", "y", rest="spp_param { pyramid_height: 2 }")
    )
    with pytest.raises(cbc.UnsupportedError, match="the size is dynamic: H"):
        cbc.convert(prototxt, shapes={"data": (2, 3, "H", 9)})
