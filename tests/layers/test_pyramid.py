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
WINDOWS = {"p1": (33, 65, 33, 65), "p2": (17, 33, 16, 32), "p3": (13, 25, 10, 20), "p6": (8, 15, 5, 10)}
POOLING = "pooling_param {{ pool: AVE kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} }}"
AS_LAYERS = "".join(
    layer("Pooling", name, rest=POOLING.format(*window))
    + layer("Interp", f"{name}_interp", name, rest="interp_param { height: 33 width: 65 }")
    for name, window in WINDOWS.items()
) + layer("Eltwise", "y", " ".join(["data", *(f"{name}_interp" for name in WINDOWS)]))


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
