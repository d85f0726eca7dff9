"""Absurd sizes are refused before memory is taken for them."""

from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.arguments import input_shapes
from caffe_bn_convert.caffe.prototxt.read import parse_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError, InvalidNetError, ResourceLimitError, UsageError
from caffe_bn_convert.net import limits
from caffe_bn_convert.net.dim import Symbol, volume
from caffe_bn_convert.net.limits import INT_MAX
from tests.nets import input_layer, layer, write_net

HUGE = 2_000_000_000
ONES = 'weight_filler { type: "constant" value: 1 }'
PICTURE = input_layer(1, 1, 5, 7)


def source(kind: str, rest: str) -> str:
    return f'layer {{ name: "data" type: "{kind}" top: "data" {rest} }}\n' + layer("ReLU", "top")


REFUSED_BY_CAFFE = {
    "blob": input_layer(100000, 100000, 100000) + layer("ReLU", "top"),
    "negative": source("DummyData", "dummy_data_param { shape { dim: -4 } }"),
    "dummy": source("DummyData", "dummy_data_param { shape { dim: 999999999999999 dim: 8 } }"),
    "ragged dummy": source("DummyData", "dummy_data_param { num: 1 num: 2 channels: 1 height: 1 width: 1 width: 2 width: 3 }"),
    "weight": input_layer(1, 3) + layer("InnerProduct", "top", rest=f"inner_product_param {{ num_output: {HUGE} {ONES} }}"),
    "tile": input_layer(1, 3) + layer("Tile", "top", rest=f"tile_param {{ tiles: {HUGE} }}"),
    "pad": PICTURE + layer("Convolution", "top", rest=f"convolution_param {{ num_output: 2 kernel_size: 3 pad: {2**32 - 1} }}"),
    "kernel": PICTURE + layer("Pooling", "top", rest="pooling_param { kernel_size: 4000000000 pad: 3999999999 }"),
    "resize": PICTURE + layer("Interp", "top", rest=f"interp_param {{ height: {HUGE} width: {HUGE} }}"),
    "scale": PICTURE + layer("Upsample", "top", rest="upsample_param { scale: inf }"),
    "box": PICTURE + layer("PriorBox", "top", "data data", rest="prior_box_param { min_size: inf }"),
}  # fmt: skip
BEYOND_SANITY = {
    "filler": source("Parameter", f"parameter_param {{ shape {{ dim: {HUGE} }} }}"),
    "windows": input_layer(1, 1, 1, HUGE) + layer("Pooling", "top", rest="pooling_param { pool: MAX kernel_h: 1 kernel_w: 2 }"),
    "divisors": input_layer(1, 1, 9000, 9000) + layer("Pooling", "top", rest="pooling_param { pool: AVE kernel_size: 3 pad: 1 }"),
    "boxes": input_layer(1, 1, 3000, 3000) + layer("PriorBox", "top", "data data", rest="prior_box_param { min_size: 3 }"),
    "window": PICTURE + layer("LRN", "top", rest="lrn_param { local_size: 4294967295 norm_region: WITHIN_CHANNEL }"),
    "places": input_layer(1, 1, 1, HUGE) + layer("Im2col", "top", rest="convolution_param { kernel_size: 1 }"),
}  # fmt: skip


def converted(folder, text: str) -> None:
    prototxt, _ = write_net(folder, text)
    cbc.convert(prototxt, allow="all").model  # noqa: B018  (it emits)


@pytest.mark.parametrize("what", REFUSED_BY_CAFFE)
def test_what_caffe_would_refuse(tmp_path, what):
    with pytest.raises(InvalidNetError):
        converted(tmp_path, REFUSED_BY_CAFFE[what])


@pytest.mark.parametrize("what", BEYOND_SANITY)
def test_what_would_take_all_memory(tmp_path, what):
    with pytest.raises(ResourceLimitError):
        converted(tmp_path, BEYOND_SANITY[what])


def test_the_fillers_of_a_net_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILLED", 1000)
    text = "".join(
        layer("InnerProduct", f"top{i}", rest=f"inner_product_param {{ num_output: 9 {ONES} }}") for i in range(3)
    )
    with pytest.raises(ResourceLimitError):
        converted(tmp_path, input_layer(1, 50) + text)


def test_the_largest_blob_is_allowed(tmp_path):
    converted(tmp_path, input_layer(1, INT_MAX) + layer("ReLU", "top"))


def test_dynamic_sizes_cannot_grow_without_end():
    size = Symbol.named("H")
    with pytest.raises(ResourceLimitError):
        for i in range(100):
            size = (size + 1) // 2 + (size + 3 + i) // 5
    with pytest.raises(ResourceLimitError):
        volume([sum((Symbol.named(f"{axis}{i}") for i in range(40)), start=1) for axis in "abc"])
    with pytest.raises(ResourceLimitError):
        volume([Symbol.named("N"), *[10**9] * 10])


def test_a_pooling_takes_pad_or_both_of_its_halves(tmp_path):
    for rest in (
        "pad_h: 1",
        "pad_w: 1",
        "pad: 1 pad_h: 1 pad_w: 1",
        "stride_h: 2",
        "stride: 2 stride_h: 2 stride_w: 2",
    ):
        with pytest.raises(InvalidNetError, match="takes either"):
            converted(tmp_path, PICTURE + layer("Pooling", "top", rest=f"pooling_param {{ kernel_size: 3 {rest} }}"))


def test_batch_norm_needs_an_axis(tmp_path):
    text = input_layer(4) + layer("Reduction", "sum") + layer("BatchNorm", "top", "sum")
    with pytest.raises(ConversionError, match="no axes"):
        converted(tmp_path, text)


def test_one_part_of_a_dynamic_axis(tmp_path):
    text = input_layer(4, 3) + layer("Slice", "part", rest="slice_param { axis: 0 }") + layer("TanH", "top", "part")
    prototxt, _ = write_net(tmp_path, text)
    assert [n.op_type for n in cbc.convert(prototxt, batch="dynamic").model.graph.node] == ["Identity", "Tanh"]


def test_deep_nesting_is_a_limit_too():
    with pytest.raises(ResourceLimitError):
        upgrade(parse_net("a {" * 5000))


def test_an_empty_blob(tmp_path):
    with pytest.raises(ConversionError, match="without a single value"):
        converted(tmp_path, input_layer(0, 3) + layer("ReLU", "top"))


def test_a_blob_without_a_name(tmp_path):
    with pytest.raises(ConversionError, match="ONNX has no word"):
        converted(tmp_path, PICTURE + 'layer { name: "a" type: "ReLU" bottom: "data" top: "" }')


def test_labels_of_many_losses_are_left_out_in_one_pass(tmp_path):
    chain = "".join(layer("ReLU", f"m{i}", f"m{i - 1}" if i else "label") for i in range(400))
    text = (
        PICTURE
        + input_layer(1, name="label")
        + chain
        + layer("EuclideanLoss", "loss", "m399 m399")
        + layer("ReLU", "top")
    )
    prototxt, _ = write_net(tmp_path, text)
    conversion = cbc.convert(prototxt)
    assert (conversion.graph.inputs, [node.name for node in conversion.graph.nodes]) == (("data",), ["top"])


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("Convolution", "convolution_param { num_output: 1 kernel_size: 1 }"),
        ("Pooling", "pooling_param { kernel_size: 1 }"),
        ("LRN", ""),
        ("Interp", "interp_param { zoom_factor: 2 }"),
    ],
)
def test_what_cannot_work_in_place(tmp_path, kind, rest):
    with pytest.raises(InvalidNetError, match="in place"):
        converted(tmp_path, PICTURE + layer("TanH", "a") + layer(kind, "b", "a", "a", rest))


@pytest.mark.parametrize("size", [0, -1, 2.5, None, "", "2.5", "-3", "²", "9" * 5000])
def test_what_is_no_size(size):
    with pytest.raises(UsageError):
        input_shapes(None, {"data": [size, 3]})
