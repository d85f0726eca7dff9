"""YOLO's heads: no output of the forks themselves is at hand, so the oracle and their own loops, transcribed here."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import LEVELS, run, values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

BIASES = [10, 14, 23, 27, 37, 58, 81, 82]
V3 = "num_classes: 4 num_box: 2 nms_threshold: 0.45 biases: [10, 14, 23, 27, 37, 58, 81, 82] mask: [2, 3, 0, 1] "
V3 += "anchors_scale: 32 anchors_scale: 16 mask_group_num: 2"
V2 = "num_classes: 4 num_box: 2 nms_threshold: 0.3 biases: [1.08, 1.19, 3.42, 4.41]"


def net(kind, rest, batch=1, channels=18, sides=(3, 5)):
    field = {"Yolov3DetectionOutput": "yolov3_detection_output_param"}.get(kind, "yolo_detection_output_param")
    text = input_layer(batch, channels, sides[0], sides[0])
    text += input_layer(batch, channels, sides[1], sides[1], name="fine")
    return text + layer(kind, "y", "data fine", rest=f"{field} {{ {rest} }}")


def given(batch):
    return {"data": 3 * values("data", batch, 18, 3, 3), "fine": 3 * values("fine", batch, 18, 5, 5)}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def overlap(a, b):
    sides = [
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)
    ]
    common = 0.0 if min(sides) < 0 else sides[0] * sides[1]
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def yolo3_by_hand(inputs, least):
    """The loops of Yolov3DetectionOutputLayer::Forward_cpu in double precision."""
    found = []
    for t, (x, masks, scale) in enumerate(zip(inputs, ([2, 3], [0, 1]), (32, 16), strict=True)):
        side = x.shape[3]
        for image, s, n in np.ndindex(len(x), side * side, 2):
            cell = [float(v) for v in x[image, n * 9 : n * 9 + 9, s // side, s % side]]
            bias = BIASES[2 * masks[n] : 2 * masks[n] + 2]
            box = ((s % side + sigmoid(cell[0])) / side, (s // side + sigmoid(cell[1])) / side,
                   math.exp(cell[2]) * bias[0] / (side * scale), math.exp(cell[3]) * bias[1] / (side * scale))  # fmt: skip
            for c in range(4):
                score = sigmoid(cell[5 + c]) * sigmoid(cell[4])
                if score > least:
                    found.append((score, c + 1, box, t))
    found.sort(key=lambda row: -row[0])
    kept = []
    for row in found:
        if all(overlap(row[2], other[2]) < 0.45 for other in kept):
            kept.append(row)
    return [[0, label, score, b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2]
            for score, label, b, _ in kept]  # fmt: skip


@pytest.mark.parametrize("least", [0.1, 0.5])
def test_yolo_3_by_its_own_loops(tmp_path, least):
    text = net("Yolov3DetectionOutput", f"{V3} confidence_threshold: {least}", 2)
    wanted = check_by_oracle(tmp_path, text, given(2))["y"]
    by_hand = yolo3_by_hand(given(2).values(), least)
    assert len(by_hand) > 5
    np.testing.assert_allclose(wanted[0, 0], by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("growth", "corners"), [(-200, [0.5, 0, 0.5, 1]), (200, [-np.inf, 0, np.inf, 1])])
def test_a_box_without_an_area_or_an_endless_one_drops_nothing(tmp_path, growth, corners):
    """By hand: its overlap with itself is 0/0 or inf/inf, so it keeps all its classes; the other box keeps its best."""
    rest = "num_classes: 3 num_box: 2 mask_group_num: 1 mask: [0, 1] biases: [1, 1, 1, 1] anchors_scale: 1"
    text = input_layer(1, 16, 1, 1) + layer(
        "Yolov3DetectionOutput", "y", rest=f"yolov3_detection_output_param {{ {rest} confidence_threshold: 0.1 }}"
    )
    ordinary, odd = [0, 0, 0, 0, 50, 1, 3, 2], [0, 0, growth, 0, 50, 0, -1, 4]
    x = np.array([*ordinary, *odd], np.float32).reshape(1, 16, 1, 1)
    rows = check_by_oracle(tmp_path, text, {"data": x})["y"][0, 0]
    wanted = [(3, 4, corners), (2, 3, [0, 0, 1, 1]), (1, 0, corners), (2, -1, corners)]
    np.testing.assert_allclose(rows, [[0, label, sigmoid(t), *box] for label, t, box in wanted], rtol=1e-6)


def test_a_head_of_80_classes_whose_scores_are_all_likely_takes_seconds(tmp_path):
    """YOLO 3 at 416 x 416: 851,760 candidates. Compared with each other one by one they would take minutes."""
    biases = "10,13,16,30,33,23,30,61,62,45,59,119,116,90,156,198,373,326"
    rest = f"num_classes: 80 biases: [{biases}] mask: [6, 7, 8, 3, 4, 5, 0, 1, 2] mask_group_num: 3"
    text = "".join(input_layer(1, 255, side, side, name=f"d{side}") for side in (13, 26, 52))
    text += layer(
        "Yolov3DetectionOutput", "y", "d13 d26 d52",
        rest=f"yolov3_detection_output_param {{ {rest} anchors_scale: [32, 16, 8] confidence_threshold: 0 }}",
    )  # fmt: skip
    conversion = cbc.convert(write_net(tmp_path, text)[0], allow="all")
    inputs = {f"d{side}": 3 * values(f"d{side}", 1, 255, side, side) for side in (13, 26, 52)}
    start = time.perf_counter()
    rows = run(conversion, inputs, LEVELS[0])["y"]
    assert rows.shape[2] > 2000
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("kind", ["Yolov3DetectionOutput", "YoloDetectionOutput"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("least", [0.01, 0.3, 0.999])
def test_heads(tmp_path, kind, batch, least):
    rest = (V3 if kind == "Yolov3DetectionOutput" else V2) + f" confidence_threshold: {least}"
    wanted = check_by_oracle(tmp_path, net(kind, rest, batch), given(batch))["y"]
    if least == 0.999:
        np.testing.assert_array_equal(wanted[0, 0], [[n, *[-1] * 6] for n in range(batch)])


def test_yolo_2_takes_the_threshold_itself(tmp_path):
    text = input_layer(1, 6, 1, 1) + layer(
        "YoloDetectionOutput", "y", rest="yolo_detection_output_param { num_classes: 1 num_box: 1 biases: [1, 1] "
        "confidence_threshold: 0.5 }")  # fmt: skip
    wanted = check_by_oracle(tmp_path, text, {"data": np.zeros((1, 6, 1, 1), np.float32)})["y"]
    np.testing.assert_array_equal(wanted[0, 0], [[0, 1, 0.5, 0, 0, 1, 1]])


@pytest.mark.parametrize(("rest", "shape"), [("", (2, 630)), ("flatten_param { axis: 2 }", (2, 18, 35))])
def test_region(tmp_path, rest, shape):
    text = input_layer(2, 18, 5, 7) + layer(
        "RegionYolo", "y", rest=f"region_yolo_param {{ classes: 4 num: 2 coords: 4 }} {rest}"
    )
    assert check_by_oracle(tmp_path, text, {"data": 3 * values("data", 2, 18, 5, 7)})["y"].shape == shape


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("Yolov3DetectionOutput", V3.replace("mask:", "masks:"), "OpenVINO's dialect"),
        ("Yolov3DetectionOutput", V3.replace("mask_group_num: 2", "mask_group_num: 3"), "2 bottoms"),
        ("Yolov3DetectionOutput", V3.replace("[2, 3, 0, 1]", "[2, 9, 0, 1]"), "not given"),
        ("Yolov3DetectionOutput", V3 + " gaussian_box: true", 'the field "gaussian_box"'),
        ("Yolov3DetectionOutput", V3.replace("num_classes: 4", "num_classes: 5"), "need 20 channels"),
        ("Yolov3DetectionOutput", V3.replace("0.45", "0"), "above 0"),
        ("YoloDetectionOutput", V2.replace("3.42", "-3.42"), "negative"),
        ("YoloDetectionOutput", V2 + " coords: 5", "coords must be 4"),
        ("YoloDetectionOutput", V2.replace("num_box: 2", "num_box: 3"), "need 6 biases"),
    ],
)
def test_refusals(tmp_path, kind, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net(kind, rest))[0])


def test_softmax_off_is_refused(tmp_path):
    text = input_layer(2, 18, 5, 7) + layer("RegionYolo", "y", rest="region_yolo_param { do_softmax: false num: 2 }")
    with pytest.raises(cbc.ConversionError, match="do_softmax"):
        cbc.convert(write_net(tmp_path, text)[0])
