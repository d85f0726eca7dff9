"""synopsys-caffe's DetectionOutput with tflite_detection, beside TensorFlow Lite's steps, written down here as loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

COUNT, CLASSES = 40, 5
FIELDS = "num_classes: 5 tflite_detection: true scale_xywh: [0.1, 0.2, 0.3, 0.4] "


def head(rest, prior=(1, 2, 160)):
    text = input_layer(1, 160) + input_layer(1, 200, name="c") + input_layer(*prior, name="p")
    return text + layer("DetectionOutput", "y", "data c p", rest=f"detection_output_param {{ {FIELDS} {rest} }}")


def inputs():
    random = np.random.default_rng(3)
    prior = np.zeros((1, 2, 160), np.float32)
    prior[0, 0] = np.concatenate([random.random((COUNT, 2)), random.uniform(0.1, 0.4, (COUNT, 2))], axis=1).ravel()
    scores = random.permutation(200).reshape(1, 200) / 200
    return {"data": random.normal(size=(1, 160)).astype(np.float32), "c": scores.astype(np.float32), "p": prior}


def by_hand(given, most, keep, least, threshold):
    """DetectionPostprocess with "fast" suppression: boxes by their best class, all rows of a box together."""
    boxes, scores = [], given["c"].reshape(COUNT, CLASSES)[:, 1:].astype(float)
    for (dy, dx, dh, dw), (cy, cx, h, w) in zip(
        given["data"].reshape(-1, 4).astype(float), given["p"][0, 0].reshape(-1, 4).astype(float), strict=True
    ):
        x, y = 0.1 * dx * w + cx, 0.2 * dy * h + cy
        half_w, half_h = math.exp(0.3 * dw) * w / 2, math.exp(0.4 * dh) * h / 2
        boxes.append((x - half_w, y - half_h, x + half_w, y + half_h))

    def share(a, b):
        width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
        common = max(width, 0) * max(height, 0)
        return common / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - common)

    kept: list[int] = []
    for i in sorted(range(COUNT), key=lambda i: -scores[i].max()):
        if scores[i].max() >= least and len(kept) < keep and all(share(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return [[0, c, scores[i, c], *boxes[i]] for i in kept for c in np.argsort(-scores[i])[:most]]


@pytest.mark.parametrize(("most", "keep", "threshold"), [(1, 9, 0.3), (3, 100, 0.5), (4, 5, 0.1)])
def test_by_its_steps(tmp_path, most, keep, threshold):
    given = inputs()
    least = float(np.sort(given["c"].reshape(COUNT, CLASSES)[:, 1:].max(axis=1))[10])
    rest = f"max_classes_per_detection: {most} keep_top_k: {keep} nms_param {{ nms_threshold: {threshold} }}"
    rows = check_by_oracle(tmp_path, head(f"{rest} confidence_threshold: {least!r}"), given)["y"][0, 0]
    wanted = by_hand(given, most, keep, least, threshold)
    assert len(wanted) > 4
    np.testing.assert_allclose(rows, wanted, rtol=1e-5, atol=1e-5)


def test_a_score_at_the_threshold_counts(tmp_path):
    """SSD's must be above it."""
    given = inputs()
    best = float(given["c"].reshape(COUNT, CLASSES)[:, 1:].max())
    rows = check_by_oracle(tmp_path, head(f"keep_top_k: 3 confidence_threshold: {best!r}"), given)["y"]
    assert rows[0, 0, :, 2].tolist() == [best]


def test_nothing(tmp_path):
    rows = check_by_oracle(tmp_path, head("keep_top_k: 3 confidence_threshold: 2"), inputs())["y"]
    np.testing.assert_array_equal(rows, [[[[0, *[-1] * 6]]]])


def test_it_is_told_and_proven(tmp_path):
    """The priors need no variances."""
    conversion = cbc.convert(write_net(tmp_path, head("keep_top_k: 3", prior=(1, 1, 160)))[0])
    assert [f.what for f in conversion.findings if f.code == "DIA001"] == [
        "taken for synopsys-caffe's DetectionOutput of TensorFlow Lite, by tflite_detection"
    ]
    assert conversion.verify().passed


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "keep_top_k above 0"),
        ("keep_top_k: 3 max_classes_per_detection: 5", "max_classes_per_detection must be between"),
        ("keep_top_k: 3 tflite_use_regular_nms: true", "the fork refuses it"),
        ("keep_top_k: 3 scale_xywh: 1", "scale_xywh has 4 numbers, not 5"),
        ("keep_top_k: 3 background_label_id: 1", "background 0"),
        ("keep_top_k: 3 share_location: false", "shared locations"),
        ("keep_top_k: 3 objectness_score: 0.5", 'the field "objectness_score"'),
        ("keep_top_k: 3 use_polygon: false", 'the field "use_polygon"'),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, head(rest))[0])


def test_one_image(tmp_path):
    text = (
        head("keep_top_k: 3")
        .replace("dim: 1 dim: 160", "dim: 2 dim: 160")
        .replace("dim: 1 dim: 200", "dim: 2 dim: 200")
    )
    with pytest.raises(cbc.ConversionError, match="one image, not 2"):
        cbc.convert(write_net(tmp_path, text)[0])
