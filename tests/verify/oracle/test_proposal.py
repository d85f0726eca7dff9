from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.detect.proposal import anchors

# What py-faster-rcnn's generate_anchors gives for its defaults, written in its comment.
NINE = [
    [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199],
    [-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263],
    [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
]  # fmt: skip


def test_anchors():
    np.testing.assert_array_equal(anchors(16, (0.5, 1, 2), (8, 16, 32)), NINE)


TEXT = "proposal_param {{ feat_stride: 16 ratio: 1 scale: 2 min_size: 4 {} }}"
PYTHON = 'python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{}" }}'


def _bottoms(anchor_count, rows=3, columns=4):
    random = np.random.default_rng(0)
    scores = random.random((1, 2 * anchor_count, rows, columns))
    return scores, 0.1 * random.standard_normal((1, 4 * anchor_count, rows, columns)), np.array([[40.0, 60.0, 1.0]])


def test_proposals_by_hand(apply):
    scores, deltas, info = _bottoms(1)
    rois, chosen = apply("Proposal", TEXT.format("nms_thresh: 1"), scores, deltas, info)
    assert rois.shape == (12, 5)
    assert chosen.shape == (12,)
    best = np.unravel_index(scores[0, 1].argmax(), (3, 4))
    dx, dy, dw, dh = deltas[0, :, best[0], best[1]]
    x, y, side = best[1] * 16 + 8, best[0] * 16 + 8, 32  # the anchor goes from -8 to 23
    w, h, x, y = side * np.exp(dw), side * np.exp(dh), x + dx * side, y + dy * side
    expected = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, [59, 39, 59, 39])
    np.testing.assert_allclose(rois[0], [0, *expected], rtol=1e-5)
    np.testing.assert_allclose(chosen[0], scores[0, 1].max())


def test_proposals_are_cut_before_and_after(apply):
    bottoms = _bottoms(1)
    assert len(apply("Proposal", TEXT.format("nms_thresh: 1 pre_nms_topn: 5"), *bottoms)[0]) == 5
    assert len(apply("Proposal", TEXT.format("nms_thresh: 1 post_nms_topn: 3"), *bottoms)[0]) == 3
    fewer = apply("Proposal", TEXT.format("nms_thresh: 0.3"), *bottoms)[0]
    assert 1 < len(fewer) < 12


def test_small_proposals_keep_their_place_with_score_zero_but_not_in_python(apply):
    scores, deltas, info = _bottoms(1)
    deltas[0, 2, 0, 0] = -9
    chosen = apply("Proposal", TEXT.format("nms_thresh: 1"), scores, deltas, info)[1]
    assert len(chosen) == 12
    assert chosen[-1] == 0
    scores, deltas, info = _bottoms(9)
    deltas[0, 2::4, 0, 0] = -9
    text = PYTHON.format("'feat_stride': 16")
    assert (apply("Python", text, scores, deltas, info)[1] > 0).all()


def test_python_layer_has_nine_anchors_or_those_of_its_scales(apply):
    rois, chosen = apply("Python", PYTHON.format("'feat_stride': 16"), *_bottoms(9))
    assert rois.shape[1:] == (5,)
    assert chosen.shape == (len(rois), 1)
    text = PYTHON.format("feat_stride: 16\\nscales: [4, 8]")
    assert apply("Python", text, *_bottoms(6))[0].shape[1:] == (5,)


def test_refusals(apply):
    with pytest.raises(UnsupportedError, match=r"os\.system"):
        apply("Python", 'python_param { module: "os" layer: "system" }', *_bottoms(9))
    with pytest.raises(InvalidNetError, match="feat_stride"):
        apply("Python", PYTHON.format(""), *_bottoms(9))
    with pytest.raises(InvalidNetError, match="or neither"):
        apply("Proposal", "proposal_param { feat_stride: 16 ratio: 1 }", *_bottoms(9))
    with pytest.raises(InvalidNetError, match="9 anchors"):
        apply("Proposal", "proposal_param { feat_stride: 16 }", *_bottoms(6))
    with pytest.raises(InvalidNetError, match="anchors"):
        apply("Proposal", TEXT.format(""), *_bottoms(2))
