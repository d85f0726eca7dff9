"""DecodeBBox, FrcnnOutput and ScaleRoute: ONNX, the oracle, and the loops of their C++ once more."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.cascade_loops import GROUPS, NORM, Group, detections, distinct, group_maps, moved, some_regions
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def decode_net(rest="", shape=(7, 8), regions=(7, 5, 1, 1)):
    text = input_layer(*shape, name="d") + input_layer(*regions, name="r")
    return text + layer("DecodeBBox", "y", "d r", rest=rest)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("regions", [(7, 5), (7, 5, 1, 1)])
def test_decode_bbox(tmp_path, norm, regions):
    rows, deltas = some_regions(7, 3), values("d", 7, 8)
    got = check_by_oracle(
        tmp_path, decode_net(NORM if norm else "", regions=regions), {"d": deltas, "r": rows.reshape(regions)}
    )["y"]
    wanted = [[r[0], *moved(r[1:].tolist(), d[4:].tolist(), norm)] for r, d in zip(rows, deltas, strict=True)]
    np.testing.assert_allclose(got, np.array(wanted)[..., None, None], rtol=1e-5, atol=1e-4)


def test_as_many_regions_as_there_are(tmp_path):
    conversion = check_dynamic(tmp_path, decode_net(NORM), {"R": 4}, d=("R", 8), r=("R", 5, 1, 1))
    assert shape_of(conversion, "y") == ["R", 5, 1, 1]


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(("least", "most", "columns"), [(0.2, 0, 5), (0.1, 5, 6), (0.2, 500, 5), (2, 4, 5)])
def test_frcnn_output(tmp_path, aware, kind, least, most, columns):
    wide, regions = 16 if aware else 8, some_regions(13, columns=columns)
    prob, deltas, size = distinct((13, 4), 3), values("d", 13, wide), np.array([[70, 90]], np.float32)
    rest = f'frcnn_output_param {{ conf_thr: {least} iou_thr: 0.31 nms_type: "{kind}" max_det_num: {most} }} '
    rest += NORM.replace("}", f"cls_aware: {str(aware).lower()} }}")
    text = input_layer(13, 4, name="p") + input_layer(13, wide, name="d") + input_layer(13, columns, 1, 1, name="r")
    text += input_layer(1, 2, name="size") + layer("FrcnnOutput", "y", "p d r size", rest=rest)
    got = check_by_oracle(tmp_path, text, {"p": prob, "d": deltas, "r": regions[..., None, None], "size": size})["y"]
    wanted = detections(prob, deltas, regions, size[0].tolist(), aware, least, 0.31, kind, most)
    np.testing.assert_allclose(got[..., 0, 0], wanted, rtol=1e-4, atol=1e-4)
    assert len(wanted) > 1 or least > 1


@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
def test_boxes_that_touch(tmp_path, kind):
    """Those that share a column of pixels overlap in Cascade R-CNN, those that share a row do not."""
    regions = [[0, 0, 0, 4, 9], [0, 4, 0, 8, 9], [0, 20, 0, 29, 4], [0, 20, 4, 29, 8]]
    prob = np.array([[0.5, score] for score in (0.875, 0.75, 0.625, 0.5)], np.float32)
    rest = (
        f'frcnn_output_param {{ conf_thr: 0.5 iou_thr: 0.05 nms_type: "{kind}" }} bbox_reg_param {{ cls_aware: false }}'
    )
    text = input_layer(4, 2, name="p") + input_layer(4, 8, name="d") + input_layer(4, 5, name="r")
    text += input_layer(1, 2, name="size") + layer("FrcnnOutput", "y", "p d r size", rest=rest)
    inputs = {"p": prob, "d": np.zeros((4, 8), np.float32), "r": np.array(regions, np.float32)}
    got = check_by_oracle(tmp_path, text, {**inputs, "size": np.array([[70, 90]], np.float32)})["y"]
    # The last one's score is on the threshold, and counts.
    wanted = [[*regions[i], 1, float(prob[i, 1])] for i in (0, 2, 3)]
    np.testing.assert_allclose(got[1:, :, 0, 0], wanted, atol=1e-5)


def route_net(rest, count=9):
    text = input_layer(count, 5, 1, 1, name="r") + input_layer(count, 3, name="f")
    return text + layer("ScaleRoute", "p", "r f", "y g", rest=f"scale_route_param {{ {rest} }}")


@pytest.mark.parametrize(
    ("low", "high"), [(20, 40), (None, 35), (28, None), (None, None), (500, 900), (None, 0.5), (0.2, 0.3)]
)
def test_scale_route(tmp_path, low, high):
    rows, others = some_regions(9), values("f", 9, 3)
    rows[4, 3:] = rows[4, 1:3] - 2
    rest = (f"low_scale: {low} " if low else "") + (f"high_scale: {high}" if high else "")
    got = check_by_oracle(tmp_path, route_net(rest), {"r": rows[..., None, None], "f": others})
    scale = [
        math.sqrt((x2 - x1 + 1) * (y2 - y1 + 1)) if x2 >= x1 and y2 >= y1 else 0 for _, x1, y1, x2, y2 in rows.tolist()
    ]
    chosen = [i for i, s in enumerate(scale) if (low or 0) <= s < (high or math.inf)]
    middle = math.sqrt(low * high) if low and high else low or high or 256
    chosen = chosen or [min((abs(math.log2(s / middle)), i) for i, s in enumerate(scale) if s)[1]]
    np.testing.assert_array_equal(got["y"], rows[chosen][..., None, None])
    np.testing.assert_array_equal(got["g"], others[chosen][..., None, None])


@pytest.mark.parametrize(
    ("low", "high", "chosen"),
    [
        (10, 20, [0, 1]),  # the lower end is inside, the upper one is not
        (5, 10, [3]),
        (11, 20, [1]),
        # None is inside; by its factor 20 is nearer to the root of 21 * 1500, the middle; 2000 is to the mean of both.
        (21, 1500, [2]),
    ],
)
def test_the_ends_of_a_range_and_its_middle(tmp_path, low, high, chosen):
    sides = [10, 12, 20, 9, 2000]
    rows = np.array([[0, 3, 5, 2 + side, 4 + side] for side in sides], np.float32)
    others = values("f", 5, 3)
    text = route_net(f"low_scale: {low} high_scale: {high}", 5)
    got = check_by_oracle(tmp_path, text, {"r": rows[..., None, None], "f": others})
    np.testing.assert_array_equal(got["g"], others[chosen][..., None, None])


def test_stages_behind_each_other(tmp_path):
    """What Cascade R-CNN does: proposals, regions of some scales, a box from each, boxes moved there."""
    maps = group_maps(1)
    text = "".join(input_layer(*m.shape, name=n) for m, n in zip(maps, "abcd", strict=True))
    text += layer("BoxGroupOutput", "p", "a b c d", rest=Group(GROUPS).text())
    text += layer("ScaleRoute", "small", "p", rest="scale_route_param { high_scale: 30 }")
    text += layer("ScaleRoute", "large", "p", rest="scale_route_param { low_scale: 30 }")
    text += layer("Concat", "all", "small large", rest="concat_param { axis: 0 }")
    text += layer(
        "ROIPooling",
        "r",
        "b all",
        rest="roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.125 pad_ratio: 0.25 }",
    )
    text += layer("InnerProduct", "i", "r", rest="inner_product_param { num_output: 8 }")
    text += layer("DecodeBBox", "y", "i all", rest=NORM)
    weights = {"i": [values("w", 8, 16), values("bias", 8)]}
    maps[1] = maps[1][:3]
    check_by_oracle(tmp_path, text, dict(zip("abcd", maps, strict=True)), weights)
    conversion = cbc.convert(*write_net(tmp_path, text, weights))
    assert shape_of(conversion, "y") == ["large_rows + small_rows", 5, 1, 1]
    assert conversion.verify().passed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (decode_net("phase: TRAIN"), "TRAIN phase"),
        (decode_net(shape=(7, 4)), "8 numbers a region"),
        (decode_net(shape=(6, 8)), "6 predictions for 7 regions"),
        (decode_net(regions=(7, 6)), "regions are"),
        (decode_net().replace('bottom: "r"', 'bottom: "r" bottom: "r"'), "takes two bottoms"),
        (decode_net("bbox_reg_param { bbox_mean: [0, 0, 0, 0] bbox_std: [1, 1, 0, 1] }"), "above 0"),
        (route_net("low_scale: 9 high_scale: 5"), "at least low_scale"),
        (route_net("low_scale: 0"), "above 0"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
