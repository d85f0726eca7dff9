"""Proposals: no output of the forks is at hand, so the oracle and py-faster-rcnn's steps, transcribed here."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

PYTHON = 'python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "\'feat_stride\': 16 %s" }'
CPP = "feat_stride: 16 base_size: 16 ratio: 2 ratio: 1 ratio: 0.5 scale: 1 scale: 2 scale: 4 post_nms_topn: 40 "
CPP += "pre_nms_topn: 200 nms_thresh: 0.4"


def net(kind, rest, tops="y s", info=3, boxes=9):
    text = input_layer(1, 2 * boxes, 6, 8) + input_layer(1, 4 * boxes, 6, 8, name="d")
    return text + input_layer(1, info, name="info") + layer(kind, "p", "data d info", tops, rest=rest)


def given(height=96, info=(1.0,), boxes=9):
    scores = np.random.default_rng(height).permutation(2 * boxes * 48).reshape(1, 2 * boxes, 6, 8) / (96 * boxes)
    numbers = np.array([[height, 128, *info]], np.float32)
    return {"data": scores.astype(np.float32), "d": values("d", 1, 4 * boxes, 6, 8), "info": numbers}


@pytest.mark.parametrize("height", [96, 20])
@pytest.mark.parametrize("info", [(1.0,), (1.5, 0.5)])
def test_proposal(tmp_path, height, info):
    text = net("Proposal", f"proposal_param {{ {CPP} }}", info=2 + len(info))
    wanted = check_by_oracle(tmp_path, text, given(height, info))
    assert wanted["y"].shape == (40, 5)
    assert wanted["s"].shape == (40,)


@pytest.mark.parametrize("height", [96, 20])
@pytest.mark.parametrize("scales", ["", "\\n'scales': !!python/tuple [4, 8, 16, 32]"])
def test_python(tmp_path, height, scales):
    boxes = 12 if scales else 9
    wanted = check_by_oracle(tmp_path, net("Python", PYTHON % scales, boxes=boxes), given(height, boxes=boxes))
    assert wanted["s"].shape == (len(wanted["y"]), 1)


def test_python_with_ratios(tmp_path):
    rest = PYTHON % ", 'ratios': [0.333, 0.5, 1, 1.5, 3], 'scales': [2, 3, 5]"
    check_by_oracle(tmp_path, net("Python", rest, boxes=15), given(96, boxes=15))


def test_mnc_has_the_same_but_fixed_anchors(tmp_path):
    text = net("Python", PYTHON % "", tops="y")
    wanted = check_by_oracle(tmp_path, text, given())["y"]
    rest = PYTHON.replace("rpn.", "pylayer.") % ", 'scales': [4, 8]"
    np.testing.assert_array_equal(check_by_oracle(tmp_path, net("Python", rest, tops="y"), given())["y"], wanted)
    with pytest.raises(cbc.ConversionError, match="up to 1 tops"):
        cbc.convert(write_net(tmp_path, net("Python", rest))[0])


def test_nothing_is_large_enough(tmp_path):
    inputs = given(10)
    assert check_by_oracle(tmp_path, net("Python", PYTHON % "", tops="y"), inputs)["y"].shape == (0, 5)


def whole(shape):
    """What generate_anchors.py's comment has for base 16 and scales 8, 16, 32; there cells are counted from 1."""
    return np.array([[-83, -39, 100, 56], [-175, -87, 192, 104], [-359, -183, 376, 200], [-55, -55, 72, 72],
                     [-119, -119, 136, 136], [-247, -247, 264, 264], [-35, -79, 52, 96], [-79, -167, 96, 184],
                     [-167, -343, 184, 360]], np.float64).reshape(shape) - 1  # fmt: skip


def test_python_by_its_own_steps(tmp_path):
    inputs = given(96)
    wanted = check_by_oracle(tmp_path, net("Python", PYTHON % ""), inputs)
    rows, columns = np.mgrid[:6, :8] * 16
    boxes = (whole((1, 9, 4)) + np.stack([columns, rows] * 2, -1).reshape(-1, 1, 4)).reshape(-1, 4)
    delta = inputs["d"].transpose(0, 2, 3, 1).reshape(-1, 4).astype(np.float64)
    score = inputs["data"][:, 9:].transpose(0, 2, 3, 1).ravel()
    size = boxes[:, 2:] - boxes[:, :2] + 1
    centre, half = delta[:, :2] * size + boxes[:, :2] + size / 2, np.exp(delta[:, 2:]) * size / 2
    boxes = np.concatenate([centre - half, centre + half], 1).clip(0, [127, 95] * 2)
    order = [i for i in np.argsort(-score) if (boxes[i, 2:] - boxes[i, :2] + 1 >= 16).all()][:6000]
    kept: list[int] = []
    for i in order:

        def overlap(j, i=i):
            side = (np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2]) + 1).clip(0)
            areas = sum(np.prod(boxes[k, 2:] - boxes[k, :2] + 1) for k in (i, j))
            return side.prod() / (areas - side.prod())

        if all(overlap(j) <= 0.7 for j in kept):
            kept.append(i)
    np.testing.assert_allclose(wanted["y"][:, 1:], boxes[kept[:300]], rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(wanted["s"][:, 0], score[kept[:300]])


def test_the_dialect_is_told(tmp_path):
    conversion = cbc.convert(write_net(tmp_path, net("Proposal", f"proposal_param {{ {CPP} }}"))[0])
    assert [f.code for f in conversion.findings] == ["DIA001"]
    assert "OpenVINO" in conversion.findings[0].what


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("Proposal", "proposal_param { feat_stride: 16 ratio: 1 }"), "ratio and scale go together"),
        (net("Proposal", f"proposal_param {{ {CPP} pvanet_mode: true }}"), 'the field "pvanet_mode"'),
        (net("Proposal", f"proposal_param {{ {CPP} }}", boxes=8), "9 boxes need 18 scores"),
        (net("Proposal", f"proposal_param {{ {CPP} }}", info=2), "height, width and scale"),
        (net("Python", 'python_param { module: "os" layer: "system" }'), "nothing that a model file names is run"),
        (net("Python", PYTHON.replace("'feat_stride': 16", "") % ""), "must have feat_stride"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


def test_a_python_layer_without_bottoms_is_an_input(tmp_path):
    text = layer("Python", "d", "", "data", 'python_param { module: "m" layer: "L" }') + layer("ReLU", "y")
    prototxt = write_net(tmp_path, text)[0]
    with pytest.raises(cbc.ConversionError, match="add --shape"):
        cbc.convert(prototxt)
    assert cbc.convert(prototxt, shapes={"data": (2, 3, 7, 9)}).graph.inputs == ("data",)
