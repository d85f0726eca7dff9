"""synopsys-caffe's Proposal beside the loops of its proposal_layer.cpp, in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.layers.judged import check_by_oracle
from tests.layers.test_proposal import given, net, whole
from tests.nets import write_net


def param(rest=""):
    return f"proposal_param {{ feat_stride: 16 {rest} }}"


def by_its_loops(inputs, anchors, keep=300, threshold=0.7, smallest=16):
    height, width, scale = (float(number) for number in inputs["info"][0, :3])
    count, found = len(anchors), []
    for k, i, j in np.ndindex(count, 6, 8):
        x1, y1, x2, y2 = anchors[k]
        w, h = x2 - x1 + 1, y2 - y1 + 1
        dx, dy, dw, dh = (float(inputs["d"][0, 4 * k + n, i, j]) for n in range(4))
        x, y = j * 16 + x1 + w / 2 + w * dx, i * 16 + y1 + h / 2 + h * dy
        right, down = w * math.exp(dw) / 2, h * math.exp(dh) / 2
        box = [max(min(v, int(size) - 1), 0) for v, size in ((x - right, width), (y - down, height), (x + right, width),
                                                              (y + down, height))]  # fmt: skip
        found.append((float(inputs["data"][0, count + k, i, j]), box))
    i = 0
    while i < len(found) - 1:
        x1, y1, x2, y2 = found[i][1]
        if x2 - x1 + 1 >= smallest * scale and y2 - y1 + 1 >= smallest * scale:
            i += 1
        else:
            del found[i]

    def overlap(a, b):
        sides = [min(a[n + 2], b[n + 2]) - max(a[n], b[n]) + 1 for n in (0, 1)]
        common = max(sides[0], 0) * max(sides[1], 0)
        return common / (sum((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)) - common)

    kept = []
    for score, _, box in sorted(((score, n, box) for n, (score, box) in enumerate(found)), reverse=True):
        if all(overlap(box, other) <= threshold for _, other in kept):
            kept.append((score, box))
    return kept[:keep]


@pytest.mark.parametrize(
    ("rest", "boxes", "settings"),
    [
        ("", range(9), {}),
        ("max_rois: 12 rpn_nms_thresh: 0.9 rpn_min_size: 40", range(9),
         {"keep": 12, "threshold": 0.9, "smallest": 40}),
        ("anchor_scale: 1 anchor_ratio: 3", [2, 5, 8], {}),
        ("anchor_scale: 3 anchor_ratio: 1", [3, 4, 5], {}),
    ],
)  # fmt: skip
def test_by_its_loops(tmp_path, rest, boxes, settings):
    inputs = given(96, (1.5,), boxes=len(boxes))
    inputs["info"][0, :2] += 0.7  # whole pixels count
    anchors = whole((9, 4))[list(boxes)]
    wanted = by_its_loops(inputs, anchors, **settings)
    got = check_by_oracle(tmp_path, net("Proposal", param(rest), boxes=len(boxes)), inputs)
    assert len(wanted) > 10
    np.testing.assert_allclose(got["y"], [[0, *box] for _, box in wanted], rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(got["s"], np.float32([[score] for score, _ in wanted]))


def test_the_last_box_is_never_too_small(tmp_path):
    got = check_by_oracle(tmp_path, net("Proposal", param("rpn_min_size: 1000")), given(96))
    np.testing.assert_array_equal(got["s"], given(96)["data"][:, -1:, -1, -1])


def test_of_equal_scores_the_later_one(tmp_path):
    inputs = given(96)
    inputs["data"][...] = 0.5
    inputs["d"][...] = 0
    wanted = by_its_loops(inputs, whole((9, 4)))
    got = check_by_oracle(tmp_path, net("Proposal", param()), inputs)["y"]
    np.testing.assert_allclose(got[:, 1:], [box for _, box in wanted], rtol=1e-5, atol=1e-3)


def test_it_is_told_and_proven(tmp_path):
    conversion = cbc.convert(write_net(tmp_path, net("Proposal", param()))[0])
    assert [f.what for f in conversion.findings] == ["taken for synopsys-caffe's Proposal, by its fields"]
    assert conversion.verify().passed


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("anchor_scale: 8", "how many there are: 3 or 1"),
        ("anchor_ratio: [1, 2]", "how many there are: 3 or 1"),
        ("max_rois: 0", "max_rois and pre_nms_topn must be above 0"),
        ("post_nms_topn: 100", 'the field "post_nms_topn"'),
        ("base_size: 8", 'the field "base_size"'),
        ("rpn_nms_thresh: -0.5", "rpn_nms_thresh -0.5 leaves one box only"),
        ("anchor_scale: 1", "3 boxes need 6 scores"),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net("Proposal", param(rest)))[0])
