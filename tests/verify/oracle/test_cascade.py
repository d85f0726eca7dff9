from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

GROUP = "box_group_output_param {{ box_group_param {{ {} stride: 10 }} fg_thr: 0.1 min_size: 1 {} }}"
ONE = "field_w: 10 field_h: 10"


def _row_of_boxes(moves, scores):
    """Boxes of 10x10 pixels in a row of cells of 10 pixels, moved by so many pixels; the last pixel belongs to them."""
    delta = np.zeros((1, 4, 1, len(scores)))
    delta[0, :2, 0] = np.array(moves, np.float64).T / 10
    return np.stack([1 - np.array(scores), scores]).reshape(1, 2, 1, -1), delta


def test_boxes_by_hand(apply):
    top = apply("BoxGroupOutput", GROUP.format(ONE, ""), *_row_of_boxes([(0, 0), (1, 2), (-3, 0)], [0.2, 0.05, 0.9]))[0]
    # Clipped to 30x10 pixels; the second is too unlikely.
    np.testing.assert_allclose(top[..., 0, 0], [[0, 17, 0, 26, 9], [0, 0, 0, 9, 9]], atol=1e-5)


@pytest.mark.parametrize(("move", "kept"), [((-1, 0), 1), ((0, 0), 2)])
def test_boxes_that_touch_in_one_column_overlap(apply, move, kept):
    text = GROUP.format(ONE, "iou_thr: 0.01")
    assert len(apply("BoxGroupOutput", text, *_row_of_boxes([(0, 0), move], [0.5, 0.4]))[0]) == kept


@pytest.mark.parametrize(("move", "kept"), [(-2, 1), (-1, 2)])
def test_boxes_that_touch_in_one_row_do_not(apply, move, kept):
    scores, delta = (x.transpose(0, 1, 3, 2) for x in _row_of_boxes([(0, 0), (0, move)], [0.5, 0.4]))
    assert len(apply("BoxGroupOutput", GROUP.format(ONE, "iou_thr: 0.01"), scores, delta)[0]) == kept


def test_the_better_box_of_equals_is_the_later_one(apply):
    bottom = np.zeros((1, 6, 1, 3))
    bottom[0, 1] = 2
    text = "box_output_param { field_w: 20 field_h: 20 downsample_rate: 20 min_size: 4 max_nms_num: 2 }"
    np.testing.assert_array_equal(apply("BoxOutput", text, bottom)[0][:, 1, 0, 0], [40, 20])


@pytest.mark.parametrize(("kind", "kept"), [("IOU", 2), ("IOMU", 1), ("IOFU", 2)])
def test_a_small_box_within_a_large_one(apply, kind, kept):
    large, small = np.zeros((1, 6, 1, 1)), np.zeros((1, 6, 1, 1))
    large[0, 1], small[0, 1] = 2, 1
    text = (
        "box_output_param { field_w: [40, 10] field_h: [40, 10] downsample_rate: [40, 40] min_size: 4 nms_type: '%s' }"
    )
    assert len(apply("BoxOutput", text % kind, large, small)[0]) == kept


def test_regions_stay_where_nothing_is_predicted(apply):
    regions = np.array([[0, 3, 4, 12, 9], [2, 1, 1, 1, 5]])
    top = apply("DecodeBBox", "", np.zeros((2, 8)), regions)[0]
    np.testing.assert_array_equal(top[..., 0, 0], regions)


def test_refusals(apply):
    regions, picture = np.array([[0, 3, 4, 12, 9]]), np.array([[50, 60]])
    with pytest.raises(UnsupportedError, match="TRAIN"):
        apply("DecodeBBox", "", np.zeros((1, 8)), regions, phase="TRAIN")
    with pytest.raises(InvalidNetError, match="8 predicted numbers"):
        apply("DecodeBBox", "", np.zeros((1, 4)), regions)
    for wrong in ([[1, 3, 4, 12, 9]], [[0, 3, 4, 2, 9]]):
        with pytest.raises(InvalidNetError, match="Caffe stops"):
            apply("FrcnnOutput", "", np.ones((1, 2)), np.zeros((1, 8)), np.array(wrong), picture)
    with pytest.raises(InvalidNetError, match="12 numbers"):
        apply("FrcnnOutput", "", np.ones((1, 3)), np.zeros((1, 8)), regions, picture)
    with pytest.raises(InvalidNetError, match="no region with an area"):
        apply("ScaleRoute", "scale_route_param { low_scale: 5 }", np.array([[0, 3, 4, 2, 9]]))
    with pytest.raises(InvalidNetError, match="for each bottom"):
        apply("BoxOutput", "box_output_param { field_w: 20 }", np.zeros((1, 6, 1, 3)))
    with pytest.raises(InvalidNetError, match="four numbers each"):
        text = "box_output_param { field_w: 20 field_h: 20 downsample_rate: 8 } bbox_reg_param { bbox_mean: 1 bbox_std: 1 }"
        apply("BoxOutput", text, np.zeros((1, 6, 1, 3)))
