from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def net(rest, *shape, pool="kernel_size: 2 stride: 2"):
    text = input_layer(*(shape or (2, 3, 6, 8)))
    text += layer("Pooling", "pool", "data", "pool mask", rest=f"pooling_param {{ pool: MAX {pool} }}")
    return text + layer("Unpooling", "y", "pool mask", rest=f"unpooling_param {{ {rest} }}")


@pytest.mark.parametrize(
    ("rest", "pool", "top"),
    [
        ("unpool: MAX kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 8", "kernel_size: 2 stride: 2", (6, 8)),
        ("unpool: MAX kernel_size: 2 stride: 2", "kernel_size: 2 stride: 2", (7, 9)),
        ("unpool: MAX kernel_h: 1 kernel_w: 4 stride_h: 3 stride_w: 1", "kernel_size: 2 stride: 2", (10, 7)),
        ("unpool: MAX kernel_size: 3 stride: 3 unpool_size: 9", "kernel_size: 3 stride: 3", (9, 9)),
    ],
)
def test_by_oracle(tmp_path, rest, pool, top):
    wanted = check_by_oracle(tmp_path, net(rest, pool=pool), {"data": values("data", 2, 3, 6, 8)})
    assert wanted["y"].shape == (2, 3, *top)


def test_by_hand(tmp_path):
    x = np.float32([[[[1, 2, 3, 4], [8, 7, 6, 5], [9, 1, 1, 1], [1, 1, 1, 2]]]])
    wanted = check_by_oracle(
        tmp_path, net("unpool: MAX kernel_size: 2 stride: 2 unpool_size: 4", 1, 1, 4, 4), {"data": x}
    )
    np.testing.assert_array_equal(wanted["y"], np.float32([[[[0, 0, 0, 0], [8, 0, 6, 0], [9, 0, 0, 0], [0, 0, 0, 2]]]]))


def test_v1_type(tmp_path):
    text = """
        input: "data" input_dim: [2, 3, 6, 6]
        layers { name: "p" type: POOLING bottom: "data" top: "p" top: "m" pooling_param { kernel_size: 2 stride: 2 } }
        layers {
          name: "y" type: UNPOOLING bottom: "p" bottom: "m" top: "y"
          unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_size: 6 }
        }
    """
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 6, 6)})


def test_the_reading_is_told(tmp_path):
    conversion = cbc.convert(
        write_net(tmp_path, net("unpool: MAX kernel_size: 2 stride: 2 unpool_size: 8"))[0], allow="all"
    )
    assert "DeconvNet" in next(finding.what for finding in conversion.findings if finding.code == "DIA001")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("unpool: AVE kernel_size: 2", "unpool: MAX"),
        ("kernel_size: 2", "unpool: MAX"),
        ("unpool: MAX", "kernel_size"),
        ("unpool: MAX kernel_h: 2", "kernel_h and kernel_w"),
        ("unpool: MAX kernel_size: 2 pad: 1", "pad must be 0"),
        ("unpool: MAX kernel_size: 2 out_pad: 1", "out_pad"),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net(rest))[0])
