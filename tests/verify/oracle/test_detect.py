from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.detect.boxes import Suppression, overlaps, suppress


@pytest.mark.parametrize("kind", ["PriorBox", "DetectionOutput"])
def test_as_caffe(golden, kind):
    golden(kind, tolerance=1e-7)


FEATURE, IMAGE = np.zeros((2, 4, 3, 5)), np.zeros((2, 3, 30, 40))


def test_prior_box_cuts_sizes_to_integers(apply):
    exact, cut = (
        apply("PriorBox", f"prior_box_param {{ min_size: {small} max_size: {large} }}", FEATURE, IMAGE)[0]
        for small, large in ((10.9, 20.9), (10, 20))
    )
    np.testing.assert_array_equal(exact, cut)
    assert cut.shape == (1, 2, 3 * 5 * 2 * 4)
    np.testing.assert_allclose(cut[0, 0, :4], [(4 - 5) / 40, (5 - 5) / 30, (4 + 5) / 40, (5 + 5) / 30])


def test_prior_box_leaves_out_known_ratios(apply):
    text = "prior_box_param { min_size: 10 aspect_ratio: 1 aspect_ratio: 2 aspect_ratio: 0.5 flip: true }"
    assert apply("PriorBox", text, FEATURE, IMAGE)[0].shape == (1, 2, 3 * 5 * 3 * 4)


TWO = "min_size: 3 variance: 1 variance: 2"


@pytest.mark.parametrize("text", ["", "min_size: 0", TWO, "min_size: 1 max_size: 2 max_size: 3"])
def test_prior_box_refuses(apply, text):
    with pytest.raises(InvalidNetError):
        apply("PriorBox", f"prior_box_param {{ {text} }}", FEATURE, IMAGE)


def test_prior_box_refuses_other_dialects(apply):
    with pytest.raises(UnsupportedError, match="p_type"):
        apply("PriorBox", "prior_box_param { min_size: 3 p_type: DENSE }", FEATURE, IMAGE)


def test_overlap():
    boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [2, 0, 3, 1], [5, 5, 6, 6], [2, 1, 0, 0]], np.float32)
    np.testing.assert_allclose(overlaps(boxes[0], boxes), [1, 1 / 3, 0, 0, 0], rtol=1e-6)


def test_suppression_keeps_an_overlap_at_the_threshold_and_the_order_of_ties():
    boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1], [0, 0, 2, 1], [4, 4, 5, 5]], np.float32)
    scores = np.array([0.5, 0.5, 0.5, 0.9], np.float32)
    assert suppress(boxes, scores, 0.1, Suppression(0.5)) == [3, 0, 1]
    assert suppress(boxes, scores, 0.5, Suppression(0.5)) == [3]
    assert suppress(boxes, scores, 0.1, Suppression(0.5, top_k=2)) == [3, 0]


def test_eta_lowers_the_threshold_after_each_kept_box():
    boxes = np.array([[0, 0, 10, 1], [0, 0, 8, 1], [0, 0, 10, 1.7]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress(boxes, scores, 0, Suppression(0.9)) == [0, 1, 2]
    assert suppress(boxes, scores, 0, Suppression(0.9, eta=0.7)) == [0, 2]


PRIORS = np.stack([np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]), np.full((2, 4), 0.1)]).reshape(1, 2, 8)


def test_rows_are_by_image_label_and_score(apply):
    confidence = np.array([[0.1, 0.6, 0.3, 0.2, 0.7, 0.4], [1, 0, 0, 1, 0, 0]])
    text = "detection_output_param { num_classes: 3 confidence_threshold: 0.2 keep_top_k: 3 code_type: CENTER_SIZE }"
    top = apply("DetectionOutput", text, np.zeros((2, 8)), confidence, PRIORS)[0]
    np.testing.assert_allclose(top[0, 0, :, :4], [[0, 1, 0.7, 0.5], [0, 1, 0.6, 0], [0, 2, 0.4, 0.5]], rtol=1e-6)


def test_nothing_found_gives_a_row_for_each_image(apply):
    text = "detection_output_param { num_classes: 3 confidence_threshold: 2 }"
    top = apply("DetectionOutput", text, np.zeros((2, 8)), np.zeros((2, 6)), PRIORS)[0]
    np.testing.assert_array_equal(top, [[[[0] + [-1] * 6, [1] + [-1] * 6]]])


def test_refinedet_drops_unlikely_anchors_and_decodes_twice(apply):
    options = "num_classes: 3 objectness_score: 0.5 confidence_threshold: 0.1 code_type: CENTER_SIZE"
    text = f"detection_output_param {{ {options} }}"
    confidence, objectness = np.full((1, 6), 0.9), np.array([[0.9, 0.1, 0.4, 0.6]])
    shift = np.array([[0, 0, 0, 0, 1, 0, 0, 0]])
    bottoms = (np.zeros((1, 8)), confidence, PRIORS, objectness, shift)
    top = apply("DetectionOutput", text, *bottoms)[0]
    np.testing.assert_allclose(top[0, 0, :, :4], [[0, 1, 0.9, 0.55], [0, 2, 0.9, 0.55]], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "bottoms"),
    [
        ("", (np.zeros((1, 8)), np.zeros((1, 6)), PRIORS)),
        ("num_classes: 3 background_label_id: -1", (np.zeros((1, 8)), np.zeros((1, 6)), PRIORS)),
        ("num_classes: 3", (np.zeros((1, 4)), np.zeros((1, 6)), PRIORS)),
        ("num_classes: 3 code_type: CENTER_SIZE", (np.zeros((1, 8)), np.zeros((1, 6)), 0 * PRIORS)),
    ],
)
def test_detection_output_refuses(apply, text, bottoms):
    with pytest.raises(InvalidNetError):
        apply("DetectionOutput", f"detection_output_param {{ {text} }}", *bottoms)


def test_prior_box_clustered_does_not_cut_its_sizes(apply):
    text = "prior_box_param { width: 10.5 height: 6.25 width: 3 height: 4 step: 16 }"
    top = apply("PriorBoxClustered", text, FEATURE, IMAGE)[0]
    assert top.shape == (1, 2, 3 * 5 * 2 * 4)
    expected = [(8 - 5.25) / 40, (8 - 3.125) / 30, (8 + 5.25) / 40, (8 + 3.125) / 30]
    np.testing.assert_allclose(top[0, 0, :4], expected)
    with pytest.raises(InvalidNetError, match="heights"):
        apply("PriorBoxClustered", "prior_box_param { width: 3 }", FEATURE, IMAGE)


def test_extended_rows_name_the_cell(apply):
    priors = np.concatenate([np.tile([0, 0, 0.5, 0.5], 12), np.full(48, 0.1)]).reshape(1, 2, 48)
    confidence = np.zeros((1, 12, 2))
    confidence[0, 2 * (1 * 3 + 2) + 1, 1] = 0.9  # row 1, column 2, anchor 1 of 2×3 cells with 2 anchors
    text = "detection_output_param { num_classes: 2 confidence_threshold: 0.1 }"
    top = apply("DetectionOutputExtended", text, np.zeros((1, 2, 3, 8)), confidence, priors)[0]
    np.testing.assert_allclose(top[0, 0], [[0, 1, 0.9, 0, 0, 0.5, 0.5, 1, 2, 1]], rtol=1e-6)
