from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("Interp", "Reorg", "Upsample_Darknet", "Upsample_SegNet"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def net(kind, rest, *shape, mask=None):
    field = {"Interp": "interp", "Reorg": "reorg", "Upsample": "upsample", "UpsampleDarknet": "upsample_darknet"}[kind]
    text = input_layer(*shape) + (input_layer(*mask, name="mask") if mask else "")
    return text + layer(kind, "y", "data mask" if mask else "data", rest=f"{field}_param {{ {rest} }}")


@pytest.mark.parametrize(
    ("rest", "top"),
    [
        ("height: 5 width: 13", (5, 13)),
        ("height: 1 width: 4", (1, 4)),
        ("height: 7 width: 9", (7, 9)),
        ("shrink_factor: 2", (4, 5)),
        ("shrink_factor: 3 height: 20 width: 20", (3, 3)),
        ("zoom_factor: 3 height: 20 width: 20", (19, 25)),
        ("zoom_factor: 3 shrink_factor: 2", (10, 13)),
        ("zoom_factor: 3 shrink_factor: 2 height: 20 width: 21", (20, 21)),
        ("zoom_factor: 2 pad_beg: -1 pad_end: -2", (7, 11)),
        ("zoom_factor: 1 pad_end: -2", (5, 7)),
    ],
)
def test_interp_sizes(tmp_path, rest, top):
    wanted = check_by_oracle(tmp_path, net("Interp", rest, 2, 3, 7, 9), {"data": values("data", 2, 3, 7, 9)})
    assert wanted["y"].shape == (2, 3, *top)


def test_interp_to_the_size_of_a_second_bottom(tmp_path):
    inputs = {"data": values("data", 2, 3, 7, 9), "mask": values("mask", 2, 4, 5, 11)}
    check_by_oracle(tmp_path, net("Interp", "", 2, 3, 7, 9, mask=(2, 4, 5, 11)), inputs)


@pytest.mark.parametrize(
    ("rest", "top"),
    [
        ("height: 5 width: 13", ["N", 3, 5, 13]),
        ("zoom_factor: 2", ["N", 3, "2*H - 1", "2*W - 1"]),
        ("zoom_factor: 3 pad_beg: -1", ["N", 3, "3*H - 5", "3*W - 5"]),
        ("shrink_factor: 2 zoom_factor: 3", None),
    ],
)
def test_interp_of_dynamic_sizes(tmp_path, rest, top):
    conversion = check_dynamic(
        tmp_path, net("Interp", rest, 2, 3, 7, 9), {"N": 4, "H": 8, "W": 5}, data=("N", 3, "H", "W")
    )
    assert top is None or [shape_of(conversion, "y")[i] for i in range(2)] == top[:2]


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("Upsample", "scale: 3"),
        ("Upsample", "scale: 1"),
        ("Upsample", "height_scale: 2 width_scale: 3 mode: NEAREST"),
        ("UpsampleDarknet", "stride: 3"),
    ],
)
def test_nearest(tmp_path, kind, rest):
    text = net(kind, rest, 2, 3, 7, 9)
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)})
    check_dynamic(tmp_path, text, {"N": 4, "H": 8, "W": 5}, data=("N", 3, "H", "W"))


@pytest.mark.parametrize(
    ("rest", "top"),
    [
        ("", (8, 10)),
        ("scale: 3", (12, 15)),
        ("scale_h: 2 scale_w: 4", (8, 20)),
        ("upsample_h: 9 upsample_w: 11", (9, 11)),
        ("pad_out_h: true", (7, 10)),
        ("scale: 2 pad_out_w: true", (8, 9)),
    ],
)
def test_unpooling_with_places_named_twice(tmp_path, rest, top):
    places = np.random.default_rng(2).integers(0, top[0] * top[1], (2, 3, 4, 5)).astype(np.float32)
    inputs = {"data": values("data", 2, 3, 4, 5), "mask": places}
    text = net("Upsample", rest, 2, 3, 4, 5, mask=(2, 3, 4, 5))
    assert check_by_oracle(tmp_path, text, inputs)["y"].shape == (2, 3, *top)


def test_unpooling_of_a_dynamic_batch(tmp_path):
    text = input_layer(2, 3, 8, 10) + layer(
        "Pooling", "p", "data", "p mask", "pooling_param { kernel_size: 2 stride: 2 }"
    )
    text += layer("Upsample", "y", "p mask", rest="upsample_param { scale: 2 }")
    assert shape_of(check_dynamic(tmp_path, text, {"N": 5}, data=("N", 3, 8, 10)), "y") == ["N", 3, 8, 10]


@pytest.mark.parametrize("reverse", ["true", "false"])
def test_reorg(tmp_path, reverse):
    text = net("Reorg", f"stride: 3 reverse: {reverse}", 2, 18, 6, 9)
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 18, 6, 9)})
    check_dynamic(tmp_path, text, {"N": 4}, data=("N", 18, 6, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("Interp", "", 2, 3, 7, 9), "needs height and width, shrink_factor or zoom_factor"),
        (net("Interp", "zoom_factor: 2 pad_beg: 1", 2, 3, 7, 9), "they only crop"),
        (net("Interp", "zoom_factor: 2 pad_beg: -7", 2, 3, 7, 9), "leave nothing"),
        (net("Interp", "zoom_factor: 0", 2, 3, 7, 9), "must be 1 or more"),
        (net("Interp", "height: 0 width: 4", 2, 3, 7, 9), "its top would be 0x4"),
        (net("Interp", "height: 4 width: 4 align_corners: false", 2, 3, 7, 9), 'the field "align_corners"'),
        (net("Interp", "zoom_factor: 2", 2, 3, 7), "it takes 4-D blobs"),
        (net("Upsample", "scale: 1.5", 2, 3, 7, 9), "no whole number"),
        (net("Upsample", "scale: 0", 2, 3, 7, 9), "must be 1 or more"),
        (net("Upsample", "height_scale: 2 width_scale: 2", 2, 3, 7, 9), "BILINEAR"),
        (net("Upsample", "scale: 2", 2, 3, 7, 9, mask=(2, 3, 9, 7)), "the mask is 2x3x9x7"),
        (net("Upsample", "scale_h: 2", 2, 3, 7, 9, mask=(2, 3, 7, 9)), "go together"),
        (net("Upsample", "scale: 3 pad_out_h: true", 2, 3, 7, 9, mask=(2, 3, 7, 9)), "need scale 2"),
        (net("Upsample", "upsample_h: 1 upsample_w: 9", 2, 3, 7, 9, mask=(2, 3, 7, 9)), "must be above 1"),
        (net("UpsampleDarknet", "stride: 0", 2, 3, 7, 9), "must be 1 or more"),
        (net("Reorg", "", 2, 3, 7, 9), "needs a stride"),
        (net("Reorg", "stride: 2", 2, 4, 7, 9), "does not divide"),
        (net("Reorg", "stride: 2 reverse: true", 2, 3, 8, 10), "does not divide"),
        (net("Reorg", "stride: 2", 2, 3, 8, 10), r"does not divide by stride 2\n  forks .* disagree"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
