"""Python layers of SSH and CTPN: beside the oracle, the steps of their authors' NumPy, transcribed here."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

FACES, TEXT = "SSH.layers.proposal_layer", "layers.text_proposal_layer"


def net(module, options, boxes, deltas=4, plane=(5, 7), info=3, tops="y s"):
    text = input_layer(1, 2 * boxes, *plane) + input_layer(1, deltas * boxes, *plane, name="d")
    rest = f'python_param {{ module: "{module}" layer: "ProposalLayer" param_str: "{options}" }}'
    return text + input_layer(1, info, name="info") + layer("Python", "p", "data d info", tops, rest)


def given(boxes, deltas=4, plane=(5, 7), info=(75, 100, 1.5)):
    scores = np.random.default_rng(boxes).permutation(2 * boxes * plane[0] * plane[1]).astype(np.float32)
    return {
        "data": scores.reshape(1, 2 * boxes, *plane) / scores.size,
        "d": values("d", 1, deltas * boxes, *plane),
        "info": np.array([info], np.float32),
    }


def mkanchors(ws, hs, x, y):
    return [
        [x - 0.5 * (w - 1), y - 0.5 * (h - 1), x + 0.5 * (w - 1), y + 0.5 * (h - 1)]
        for w, h in zip(ws, hs, strict=True)
    ]


def generate_anchors(base, ratios, scales):
    centre, found = 0.5 * (base - 1), []
    for ratio in ratios:
        w = round(((base * base // ratio) if all(isinstance(r, int) for r in ratios) else base * base / ratio) ** 0.5)
        h = round(w * ratio)
        found += mkanchors([w * s for s in scales], [h * s for s in scales], centre, centre)
    return found


def faces(inputs, stride, base, ratios, scales):
    cell, (height, width) = generate_anchors(base, ratios, scales), inputs["data"].shape[2:]
    image_height, image_width, _ = map(float, inputs["info"][0])
    found = []
    for y in range(height):
        for x in range(width):
            for a, box in enumerate(cell):
                x1, y1, x2, y2 = (c + stride * s for c, s in zip(box, (x, y, x, y), strict=True))
                w, h = x2 - x1 + 1.0, y2 - y1 + 1.0
                dx, dy, dw, dh = map(float, inputs["d"][0, 4 * a : 4 * a + 4, y, x])
                cx, cy, w, h = dx * w + x1 + 0.5 * w, dy * h + y1 + 0.5 * h, np.exp(dw) * w, np.exp(dh) * h
                box = [cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h]
                last = (image_width - 1, image_height - 1) * 2
                found.append([float(inputs["data"][0, len(cell) + a, y, x]), 0, *np.clip(box, 0, last)])
    found.sort(key=lambda row: -row[0])
    return np.array(found[:1000])


@pytest.mark.parametrize(
    ("options", "stride", "base", "ratios", "scales"),
    [
        ("{'feat_stride': 16,'scales': [4,8], 'ratios':[1,]}", 16, 16, [1], [4, 8]),
        ("'feat_stride': 8", 8, 16, [0.5, 1.0, 2.0], [8, 16, 32]),
        ("{feat_stride: 8, scales: [.5, 2.,], ratios: [1]}", 8, 16, [1], [0.5, 2]),
        # The end of a longer key is none.
        (
            "{'old_feat_stride': 4, 'feat_stride': 8, 'my_scales': [3], 'base_size_of': 3}",
            8,
            16,
            [0.5, 1.0, 2.0],
            [8, 16, 32],
        ),
        # 22.5 is rounded to 22; 49 through 20 is 2.
        ("{feat_stride: 8, base_size: 32, ratios: [0.5, 1.5], scales: [0.5, 1]}", 8, 32, [0.5, 1.5], [0.5, 1]),
        ("{feat_stride: 8, base_size: 7, scales: !!python/tuple [1], ratios: [20, 1]}", 8, 7, [20, 1], [1]),
    ],
)
def test_ssh(tmp_path, options, stride, base, ratios, scales):
    boxes = len(ratios) * len(scales)
    inputs = given(boxes)
    got = check_by_oracle(tmp_path, net(FACES, options, boxes), inputs)
    wanted = faces(inputs, stride, base, ratios, scales)
    np.testing.assert_allclose(got["y"], wanted[:, 1:], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(got["s"], wanted[:, :1].astype(np.float32))


def test_ssh_keeps_the_best_thousand(tmp_path):
    plane = (18, 20)
    inputs = given(3, plane=plane)
    options = "{feat_stride: 8, ratios: [0.5, 1, 2], scales: [1]}"
    got = check_by_oracle(tmp_path, net(FACES, options, 3, plane=plane), inputs, opsets=(13,))
    wanted = faces(inputs, 8, 16, [0.5, 1, 2], [1])
    assert got["y"].shape == (1000, 5)
    np.testing.assert_allclose(got["y"], wanted[:, 1:], rtol=1e-5, atol=1e-4)


def test_ssh_where_one_box_overflows(tmp_path):
    """Then the growth of every box that is above 50 becomes 5; without, such a box is as large as the picture."""
    options = "{feat_stride: 16, ratios: [1], scales: [1]}"
    inputs = given(1, info=(5000, 5000, 1))
    inputs["data"][0, 1, 2, 3] = 2
    inputs["d"][0, :, 2, 3] = 0, 0, 60, 0
    got = check_by_oracle(tmp_path, net(FACES, options, 1), inputs)["y"]
    assert got[0, 3] - got[0, 1] == 4999
    inputs["d"][0, 2, 0, 0] = 90
    got = check_by_oracle(tmp_path, net(FACES, options, 1), inputs)["y"]
    np.testing.assert_allclose(got[0, 3], 56 + np.exp(5) * 8, rtol=1e-5)


def text_lines(inputs, stride=16):
    heights = [11, 16, 23, 33, 48, 68, 97, 139, 198, 283]
    image_height, image_width = map(float, inputs["info"][0, :2])
    boxes, scores = [], []
    for y in range(inputs["data"].shape[2]):
        for x in range(inputs["data"].shape[3]):
            for a, h in enumerate(heights):
                # scale_anchor: int32 keeps what is in front of the point
                top, bottom = int((0 + 15) * 0.5 - h // 2) + stride * y, int((0 + 15) * 0.5 + h // 2) + stride * y
                left, right = int(7.5 - 8) + stride * x, int(7.5 + 8) + stride * x
                dy, dh = map(float, inputs["d"][0, 2 * a : 2 * a + 2, y, x])
                tall = np.exp(dh) * (bottom - top + 1.0)
                near = dy * (bottom - top + 1.0) + (top + bottom) / 2.0 - tall / 2.0
                box = [max(min(c, image_width - 1), 0) for c in (left, right)]
                box[1:1] = [max(min(near, image_height - 1), 0)]
                boxes.append([*box, max(min(near + tall, image_height - 1), 0)])
                scores.append(inputs["data"][0, 10 + a, y, x])
    return np.array(boxes), np.array(scores)[:, None]


@pytest.mark.parametrize("info", [(600, 900, 1), (71, 103)])
def test_ctpn(tmp_path, info):
    inputs = given(10, 2, info=info)
    got = check_by_oracle(tmp_path, net(TEXT, "'feat_stride': 16", 10, 2, info=len(info)), inputs)
    boxes, scores = text_lines(inputs)
    np.testing.assert_allclose(got["y"], boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(got["s"], scores)


def test_both_are_proven(tmp_path):
    """Their tops' sizes are known, so that what is behind them can be, too."""
    text = net(FACES, "{feat_stride: 16, ratios: [1], scales: [1, 2]}", 2) + layer(
        "Concat", "c", "y y", rest="concat_param { axis: 0 }"
    )
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    assert conversion.graph.shapes["c"] == (140, 5)
    assert conversion.verify().verdict == "proven"
    assert cbc.convert(write_net(tmp_path, net(TEXT, "feat_stride: 16", 10, 2))[0]).verify().verdict == "proven"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net(FACES, "{feat_stride: 16, scales: [1, x]}", 3), "scales in param_str .* list of numbers"),
        (net(FACES, "{feat_stride: 16, base_size: 16.5}", 9), "must have base_size, above 0"),
        (net(FACES, "{feat_stride: 16, scales: [1..2, 4]}", 6), "scales in param_str .* list of numbers"),
        (net(FACES, "{feat_stride: 16, scales: [1 2]}", 6), "scales in param_str .* list of numbers"),
        (net(FACES, "{feat_stride: 16, base_size: 99999999999}", 9), "must have base_size, above 0 and at most"),
        (net(FACES, "{feat_stride: 99999999999999999999}", 9), "must have feat_stride, above 0 and at most"),
        (net(FACES, "{feat_stride: 16, base_size: 4, ratios: [64, 1]}", 6), "a box without width or height"),
        (net(FACES, "{feat_stride: 0}", 9), "must have feat_stride, above 0"),
        (net(FACES, "{feat_stride: 16}", 8), "9 boxes need 18 scores"),
        (net(TEXT, "feat_stride: 16", 10, 4), "deltas of 1x20x5x7"),
        (net(TEXT, "feat_stride: 16", 10, 2, info=1), "needs height and width"),
        (net(FACES, "feat_stride: 16", 9).replace('"Python"', '"Python" include { phase: TEST } phase: TRAIN'), "for testing"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


def test_it_says_whose_it_is(tmp_path):
    findings = cbc.convert(write_net(tmp_path, net(TEXT, "feat_stride: 16", 10, 2))[0]).findings
    assert [(f.code, f.what) for f in findings] == [
        ("DIA001", "taken for CTPN's ProposalLayer, by its module and class")
    ]
