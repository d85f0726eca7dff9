"""Relatives of SSD's heads: PriorBoxClustered, RefineDet's DetectionOutput, DetectionOutputExtended."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

SIDES = "width: 9.4 width: 25.1 height: 15 height: 39.6"


def priors():
    """60 boxes inside the picture."""
    numbers = np.random.default_rng(1).random((60, 4))
    corners = np.concatenate([numbers[:, :2] * 0.6, numbers[:, :2] * 0.6 + 0.1 + numbers[:, 2:] * 0.3], 1)
    found = np.full((1, 2, 240), 0.1, np.float32)
    found[0, 0] = corners.ravel()
    return found


def clustered(rest):
    text = input_layer(1, 3, 112, 144) + input_layer(1, 4, 7, 9, name="map")
    return text + layer("PriorBoxClustered", "y", "map data", rest=f"prior_box_param {{ {rest} }}")


CLUSTERED = {"data": values("data", 1, 3, 112, 144), "map": values("map", 1, 4, 7, 9)}


@pytest.mark.parametrize(
    "rest",
    ["", "step: 16", "step_h: 16 step_w: 15 offset: 0.25 clip: true", "img_h: 100 img_w: 90 variance: 0.2",
     "variance: [0.1, 0.1, 0.2, 0.2]"],
)  # fmt: skip
def test_clustered(tmp_path, rest):
    assert check_by_oracle(tmp_path, clustered(f"{SIDES} {rest}"), CLUSTERED)["y"].shape == (1, 2, 504)


def test_a_clustered_box_by_hand(tmp_path):
    got = check_by_oracle(tmp_path, clustered(f"{SIDES} step: 16"), CLUSTERED)["y"][0, 0].reshape(7, 9, 2, 4)
    # Row 2, column 3, second box: the formula of OpenVINO's operation PriorBoxClustered.
    x, y = 3.5 * 16, 2.5 * 16
    wanted = [(x - 12.55) / 144, (y - 19.8) / 112, (x + 12.55) / 144, (y + 19.8) / 112]
    np.testing.assert_allclose(got[2, 3, 1], wanted, rtol=1e-6)


HEAD = "nms_param { nms_threshold: 0.45 top_k: 40 } code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: "


def extended(least):
    text = input_layer(2, 5, 4, 12) + input_layer(2, 120, name="c") + input_layer(1, 2, 240, name="p")
    rest = f"detection_output_param {{ num_classes: 2 background_label_id: -1 {HEAD} {least} }}"
    return text + layer("DetectionOutputExtended", "y", "data c p", rest=rest)


@pytest.mark.parametrize("least", [0.01, 2])
def test_extended(tmp_path, least):
    scores = np.random.default_rng(2).permutation(240).reshape(2, 120) / 240
    inputs = {"data": values("data", 2, 5, 4, 12), "c": scores.astype(np.float32), "p": priors()}
    wanted = check_by_oracle(tmp_path, extended(least), inputs)["y"][0, 0]
    if least == 2:
        np.testing.assert_array_equal(wanted, [[0, *[-1] * 9], [1, *[-1] * 9]])
        return
    for row in wanted:
        anchor, column, line = (int(n) for n in row[7:])
        prior = (line * 4 + column) * 3 + anchor
        assert scores[int(row[0]), 2 * prior + 1] == pytest.approx(row[2])


def refined(bottoms, shared=True, classes=3):
    sizes = {"data": (2, 240 if shared else 240 * classes), "c": (2, 60 * classes), "p": (1, 2, 240), "o": (2, 120),
             "r": (2, 240)}  # fmt: skip
    names = list(sizes)[:bottoms]
    text = "".join(input_layer(*sizes[name], name=name) for name in names)
    rest = f"num_classes: {classes} share_location: {str(shared).lower()} objectness_score: 0.4 {HEAD} 0.01"
    rng = np.random.default_rng(3)
    inputs = {name: rng.permutation(np.prod(sizes[name])).reshape(sizes[name]) / np.prod(sizes[name]) for name in names}
    inputs = {name: x.astype(np.float32) - (name in ("data", "r")) / 2 for name, x in inputs.items()} | {"p": priors()}
    return text + layer("DetectionOutput", "y", " ".join(names), rest=f"detection_output_param {{ {rest} }}"), inputs


@pytest.mark.parametrize(("bottoms", "shared"), [(4, True), (4, False), (5, True)])
def test_refinedet(tmp_path, bottoms, shared):
    text, inputs = refined(bottoms, shared)
    rows = check_by_oracle(tmp_path, text, inputs)["y"][0, 0]
    scores, objects = inputs["c"].reshape(2, 60, 3), inputs["o"].reshape(2, 60, 2)[..., 1]
    for row in rows:
        image, prior = int(row[0]), int(np.argmin(np.abs(scores[int(row[0]), :, int(row[1])] - row[2])))
        assert objects[image, prior] >= 0.4


def four_bottoms(rest, *fourth):
    """A head whose fourth bottom has that shape, without the field that RefineDet's has, and inputs."""
    text, inputs = refined(4)
    text = text.replace(input_layer(2, 120, name="o"), input_layer(*fourth, name="o")).replace(
        "objectness_score: 0.4", rest
    )
    return text, inputs | {"o": values("o", *fourth)}


@pytest.mark.parametrize(
    ("rest", "fourth"),
    [("", (2, 3, 16, 16)), ("visualize: true", (2, 3, 16, 16)), ("visualize: true", (2, 120)), ("", (8,))],
)
def test_a_fourth_bottom_to_draw_on(tmp_path, rest, fourth):
    """SSD's examples with a webcam hand the picture over, training nets the labels; RefineDet's numbers it is not."""
    text, inputs = four_bottoms(rest, *fourth)
    three, _ = refined(3)
    drawn = check_by_oracle(tmp_path, text, inputs)["y"]
    wanted = check_by_oracle(
        tmp_path, three.replace("objectness_score: 0.4", ""), {k: inputs[k] for k in ("data", "c", "p")}
    )
    np.testing.assert_array_equal(drawn, wanted["y"])
    findings = cbc.convert(write_net(tmp_path, text)[0]).findings
    assert any("SSD's DetectionOutput, whose fourth bottom is only drawn on" in f.what for f in findings)


def test_objectness_told_by_its_size(tmp_path):
    text, inputs = refined(4)
    inputs["o"].reshape(2, 60, 2)[:, ::2, 1] = 0.001
    by_size = check_by_oracle(tmp_path, text.replace("objectness_score: 0.4", ""), inputs)["y"]
    by_field = check_by_oracle(tmp_path, text.replace("objectness_score: 0.4", "objectness_score: 0.01"), inputs)["y"]
    np.testing.assert_array_equal(by_size, by_field)
    assert any("RefineDet's" in f.what for f in cbc.convert(write_net(tmp_path, text)[0]).findings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (clustered("width: 3"), "1 widths but 0 heights"),
        (clustered("min_size: 3"), 'the field "min_size"'),
        (refined(5, shared=False)[0], "shared locations"),
        (refined(4)[0].replace("dim: 120", "dim: 119"), "objectness must have 120"),
        (extended(0.1).replace("num_classes: 2", "num_classes: 3"), "num_classes: 2"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
