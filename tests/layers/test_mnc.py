"""MNC's other layers: beside the oracle, their loops, transcribed here."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def python(module, kind, bottoms, phase="TEST"):
    return layer(
        "Python", "y", bottoms, rest=f'phase: {phase} python_param {{ module: "pylayer.{module}" layer: "{kind}" }}'
    )


BRIDGE = input_layer(6, 5) + input_layer(6, 12, name="deltas") + input_layer(6, 3, name="scores")
BRIDGE += input_layer(1, 3, name="info") + python("stage_bridge_layer", "StageBridgeLayer", "data deltas scores info")


def regions():
    corners = np.random.default_rng(0).uniform(0, 60, (6, 2))
    rois = np.column_stack([np.zeros(6), corners, corners + np.random.default_rng(1).uniform(0, 60, (6, 2))])
    scores = values("scores", 6, 3)
    rois[3, 0] = 1  # the regions of the next stage are all of one image
    scores[4] = 0.5  # of equal scores the first one counts
    return {
        "data": rois.astype(np.float32),
        "deltas": values("deltas", 6, 12),
        "scores": scores,
        "info": np.float32([[70, 90, 1.5]]),
    }


def test_regions_of_the_next_stage(tmp_path):
    inputs = regions()
    got = check_by_oracle(tmp_path, BRIDGE, inputs)["y"]
    for i in range(6):
        best = max(range(3), key=lambda k, i=i: inputs["scores"][i, k])
        _, x1, y1, x2, y2 = map(float, inputs["data"][i])
        dx, dy, dw, dh = map(float, inputs["deltas"][i, 4 * best : 4 * best + 4])
        w, h = x2 - x1 + 1.0, y2 - y1 + 1.0
        cx, cy, w, h = dx * w + x1 + 0.5 * w, dy * h + y1 + 0.5 * h, np.exp(dw) * w, np.exp(dh) * h
        box = [cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h]
        by_hand = [0, *(max(min(c, last), 0) for c, last in zip(box, [89, 69] * 2, strict=True))]
        np.testing.assert_allclose(got[i], by_hand, rtol=1e-5, atol=1e-4)


def interpolated(plane, y, x):
    """bilinear_interpolate of mask_resize_layer.cu."""
    high, wide = plane.shape
    if y > high - 0.5 or x > wide - 0.5:
        return 0
    low, left = int(y), int(x)
    below, right = low + 1, left + 1
    if low >= high - 1:
        low = below = y = high - 1
    if left >= wide - 1:
        left = right = x = wide - 1
    lh, lw = y - low, x - left
    near = (1 - lw) * plane[low, left] + lw * plane[low, right]
    return (1 - lh) * near + lh * ((1 - lw) * plane[below, left] + lw * plane[below, right])


@pytest.mark.parametrize(
    ("old", "new"), [((21, 20), (14, 7)), ((5, 6), (12, 20)), ((4, 7), (4, 9)), ((3, 1), (1, 3)), ((3, 5), (6, 10))]
)
def test_masks_of_another_size(tmp_path, old, new):
    x = values("data", 2, 3, *old)
    rest = f"mask_resize_param {{ output_height: {new[0]} output_width: {new[1]} }}"
    got = check_by_oracle(tmp_path, input_layer(*x.shape) + layer("MaskResize", "y", rest=rest), {"data": x})["y"]
    assert got.shape == (2, 3, *new)
    for n, c, h, w in np.ndindex(*got.shape):
        place = (np.float32(size / count) * k for size, count, k in zip(old, new, (h, w), strict=True))
        np.testing.assert_allclose(got[n, c, h, w], interpolated(x[n, c].astype(float), *place), rtol=1e-4, atol=1e-6)


def test_masks_are_planes(tmp_path):
    x = values("data", 3, 441)
    got = check_by_oracle(tmp_path, input_layer(3, 441) + python("mask_layer", "MaskLayer", "data"), {"data": x})["y"]
    np.testing.assert_array_equal(got, x.reshape(3, 1, 21, 21))


STAGE = """
layer { name: "p" type: "Python" bottom: "s" bottom: "d" bottom: "info" top: "rois" python_param { module:
  "pylayer.proposal_layer" layer: "ProposalLayer" param_str: "{'feat_stride': 16}" } }
layer { name: "w" type: "ROIWarping" bottom: "x" bottom: "rois" top: "w"
  roi_warping_param { pooled_w: 21 pooled_h: 21 spatial_scale: 0.0625 } }
layer { name: "g" type: "Sigmoid" bottom: "w" top: "g" }
layer { name: "m" type: "Python" bottom: "g" top: "m" python_param { module: "pylayer.mask_layer" layer: "MaskLayer" } }
layer { name: "r" type: "MaskResize" bottom: "m" top: "r" mask_resize_param { output_height: 14 output_width: 14 } }
"""


def test_masks_of_regions_that_only_the_run_counts_are_proven(tmp_path):
    sizes = {"s": (1, 18, 5, 7), "d": (1, 36, 5, 7), "info": (1, 3), "x": (1, 1, 5, 7)}
    text = "".join(input_layer(*size, name=name) for name, size in sizes.items()) + STAGE
    assert cbc.convert(write_net(tmp_path, text)[0], allow="all").verify().verdict == "proven"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (input_layer(3, 440) + python("mask_layer", "MaskLayer", "data"), "a mask has 441 numbers"),
        (input_layer(3, 441) + python("mask_layer", "MaskLayer", "data", "TRAIN"), "known for testing only"),
        (BRIDGE.replace("dim: 12", "dim: 8"), "do not fit each other"),
        (BRIDGE.replace("dim: 1 dim: 3", "dim: 1 dim: 1"), "needs height and width"),
        (input_layer(1, 1, 5, 5) + layer("MaskResize", "y", rest="mask_resize_param { output_width: 3 }"), "output_height"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
