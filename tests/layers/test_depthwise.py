from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.dynamic import check_dynamic
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("DepthwiseConvolution", "ConvolutionDepthwise"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def net(kind, rest, *shape):
    return input_layer(*(shape or (2, 3, 7, 9))) + layer(kind, "y", rest=f"convolution_param {{ {rest} }}")


WEIGHTS = {"y": [values("weight", 3, 1, 3, 5), values("bias", 3)]}
WINDOW = "kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 2 stride_h: 2 stride_w: 1"


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("DepthwiseConvolution", "num_output: 3 group: 3"),
        ("ConvolutionDepthwise", "num_output: 3 group: 3"),
        ("ConvolutionDepthwise", "num_output: 5 group: 2"),
        ("ConvolutionDepthwise", ""),
    ],
)
def test_one_kernel_for_each_channel(tmp_path, kind, groups):
    text = net(kind, f"{WINDOW} {groups}")
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)}, WEIGHTS)
    check_dynamic(tmp_path, text, {"N": 4, "H": 8, "W": 5}, WEIGHTS, data=("N", 3, "H", "W"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("DepthwiseConvolution", f"{WINDOW} num_output: 3"), "must both be the number of channels, 3"),
        (net("DepthwiseConvolution", f"{WINDOW} num_output: 6 group: 3"), "must both be the number of channels, 3"),
        (net("ConvolutionDepthwise", WINDOW, 2, 3, 7), "it takes 4-D blobs"),
        (net("ConvolutionDepthwise", "kernel_size: 3 stride: 0"), "stride must not be 0"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, text, WEIGHTS))
