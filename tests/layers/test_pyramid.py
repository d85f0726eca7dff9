from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
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


ICNET = input_layer(2, 3, 33, 65) + layer("ICNetSubgraph", "y")
AS_LAYERS = """
layer { name: "p1" type: "Pooling" bottom: "data" top: "p1" pooling_param { pool: AVE kernel_h: 33 kernel_w: 65 stride_h: 33 stride_w: 65 } }
layer { name: "p2" type: "Pooling" bottom: "data" top: "p2" pooling_param { pool: AVE kernel_h: 17 kernel_w: 33 stride_h: 16 stride_w: 32 } }
layer { name: "p3" type: "Pooling" bottom: "data" top: "p3" pooling_param { pool: AVE kernel_h: 13 kernel_w: 25 stride_h: 10 stride_w: 20 } }
layer { name: "p6" type: "Pooling" bottom: "data" top: "p6" pooling_param { pool: AVE kernel_h: 8 kernel_w: 15 stride_h: 5 stride_w: 10 } }
""" + "".join(
    layer("Interp", f"i{i}", f"p{i}", rest="interp_param { height: 33 width: 65 }") for i in (1, 2, 3, 6)
) + layer("Eltwise", "y", "data i1 i2 i3 i6")  # fmt: skip


def test_icnets_pyramid_is_that_of_its_layers(tmp_path):
    """icnet_cityscapes.prototxt has the same as layers of their own, from conv5_3 to conv5_3_sum."""
    x = {"data": values("data", 2, 3, 33, 65)}
    found = check_by_oracle(tmp_path, ICNET, x)["y"]
    wanted = check_by_oracle(tmp_path, input_layer(2, 3, 33, 65) + AS_LAYERS, x)["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_icnets_pyramid_keeps_its_windows_on_another_map(tmp_path):
    x = values("data", 1, 2, 21, 43)
    found = check_by_oracle(tmp_path, input_layer(1, 2, 21, 43) + layer("ICNetSubgraph", "y"), {"data": x})["y"]
    assert found.shape == x.shape
    check_dynamic(tmp_path, ICNET, {"N": 4}, data=("N", 3, 33, 65))


def test_icnets_pyramid_is_of_pictures(tmp_path):
    with pytest.raises(cbc.InvalidNetError, match="4-D"):
        cbc.convert(write_net(tmp_path, input_layer(2, 3, 33) + layer("ICNetSubgraph", "y"))[0])
