from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


MAP = np.random.default_rng(0).standard_normal((1, 2 * (5 + 3), 4, 4))
V2 = "yolo_detection_output_param {{ num_classes: 3 num_box: 2 biases: 1 biases: 2 biases: 3 biases: 4 {} }}"


def test_yolo2_by_hand(apply):
    top = apply("YoloDetectionOutput", V2.format("confidence_threshold: 0 nms_threshold: 2"), MAP)[0]
    assert top.shape == (1, 1, 4 * 4 * 2, 7)
    np.testing.assert_array_equal(np.sort(-top[0, 0, :, 2]), -top[0, 0, :, 2])
    values = MAP[0, 8:, 1, 2]  # the second box of row 1, column 2
    share = np.exp(values[5:]) / np.exp(values[5:]).sum()
    score = _sigmoid(values[4]) * share.max()
    row = top[0, 0, np.argmin(np.abs(top[0, 0, :, 2] - score))]
    x, y = (2 + _sigmoid(values[0])) / 4, (1 + _sigmoid(values[1])) / 4
    w, h = np.exp(values[2]) * 3 / 4, np.exp(values[3]) * 4 / 4
    expected = [0, share.argmax() + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_yolo2_finds_nothing(apply):
    top = apply("YoloDetectionOutput", V2.format("confidence_threshold: 1"), np.concatenate([MAP, MAP]))[0]
    np.testing.assert_array_equal(top[0, 0], [[0] + [-1] * 6, [1] + [-1] * 6])


def test_yolo2_suppresses_across_classes(apply):
    still = MAP.copy()
    still[:, 2:4] = still[:, 10:12] = 9.0  # boxes far larger than the image, so that all overlap
    top = apply("YoloDetectionOutput", V2.format("confidence_threshold: 0 nms_threshold: 0.1"), still)[0]
    assert top.shape[2] == 1


@pytest.mark.parametrize("bottom", [MAP[:, :15], MAP[:, :, :3]])
def test_yolo2_refuses(apply, bottom):
    with pytest.raises(InvalidNetError):
        apply("YoloDetectionOutput", V2.format(""), bottom)


V3 = """yolov3_detection_output_param { num_classes: 3 num_box: 2 mask_group_num: 2 anchors_scale: 32 anchors_scale: 16
    biases: 10 biases: 20 biases: 30 biases: 40 biases: 50 biases: 60 biases: 70 biases: 80
    mask: 2 mask: 3 mask: 0 mask: 1 confidence_threshold: 0 nms_threshold: 2 %s }"""


def test_yolo3_by_hand(apply):
    second = np.random.default_rng(1).standard_normal((1, 16, 3, 5))
    top = apply("Yolov3DetectionOutput", V3 % "", MAP, second)[0][0, 0]
    assert len(top) == (16 + 15) * 2 * 3
    values = second[0, 8:, 2, 4]
    score = _sigmoid(values[4]) * _sigmoid(values[6])
    row = top[np.argmin(np.abs(top[:, 2] - score))]
    x, y = (4 + _sigmoid(values[0])) / 5, (2 + _sigmoid(values[1])) / 3
    w, h = np.exp(values[2]) * 30 / (5 * 16), np.exp(values[3]) * 40 / (3 * 16)
    np.testing.assert_allclose(row, [0, 2, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2], rtol=1e-5)


def test_yolo3_refuses(apply):
    with pytest.raises(UnsupportedError, match="gaussian"):
        apply("Yolov3DetectionOutput", V3 % "gaussian_box: true", MAP, MAP)
    with pytest.raises(InvalidNetError, match="bottoms"):
        apply("Yolov3DetectionOutput", V3 % "", MAP)


def test_region_yolo(apply):
    text = "region_yolo_param { classes: 3 num: 2 } flatten_param { axis: 1 end_axis: -1 }"
    top = apply("RegionYolo", text, MAP)[0]
    assert top.shape == (1, 16 * 16)
    top = top.reshape(2, 8, 16)
    parts = MAP.reshape(2, 8, 16)
    np.testing.assert_allclose(top[:, [0, 1, 4]], _sigmoid(parts[:, [0, 1, 4]]))
    np.testing.assert_array_equal(top[:, 2:4], parts[:, 2:4])
    np.testing.assert_allclose(top[:, 5:].sum(axis=1), 1)
    with pytest.raises(UnsupportedError, match="do_softmax"):
        apply("RegionYolo", "region_yolo_param { classes: 3 num: 2 do_softmax: false }", MAP)
