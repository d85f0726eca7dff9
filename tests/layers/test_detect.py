from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, run
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

PRIORS = 13


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("PriorBox", "DetectionOutput"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def head(rest, images=2, classes=4, boxes=1):
    inputs = input_layer(images, PRIORS * boxes * 4, name="loc") + input_layer(images, PRIORS * classes, name="conf")
    inputs += input_layer(1, 2, PRIORS * 4, name="prior")
    return inputs + layer(
        "DetectionOutput", "y", "loc conf prior", rest=f"detection_output_param {{ num_classes: {classes} {rest} }}"
    )


def numbers(seed, images=2, classes=4, boxes=1, spread=1.0):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 0.6, (PRIORS, 2))
    priors = np.concatenate([corner, corner + random.uniform(0.1, 0.4, (PRIORS, 2))], axis=1)
    variance = random.choice([0.1, 0.2], (PRIORS, 4))
    # Scores in steps of 1/8, so that some are equal.
    scores = random.integers(0, 9, (images, PRIORS * classes)) / 8
    return {
        "loc": random.uniform(-spread, spread, (images, PRIORS * boxes * 4)).astype(np.float32),
        "conf": scores.astype(np.float32),
        "prior": np.stack([priors.ravel(), variance.ravel()])[None].astype(np.float32),
    }


CODES = ("CORNER", "CENTER_SIZE", "CORNER_SIZE")


@pytest.mark.parametrize("seed", range(24))
def test_every_option_with_equal_scores(tmp_path, seed):
    random = np.random.default_rng(1000 + seed)
    images, classes, shared = int(random.integers(1, 4)), int(random.integers(1, 6)), bool(random.integers(2))
    background = int(random.integers(0 if shared else -1, classes + 1))
    rest = f"""
        share_location: {str(shared).lower()} background_label_id: {background} code_type: {CODES[seed % 3]}
        variance_encoded_in_target: {str(bool(random.integers(2))).lower()}
        keep_top_k: {random.choice([-1, 0, 1, 5, 20, 200])} confidence_threshold: {random.choice([0, 0.25, 0.3, 0.9])}
        nms_param {{ nms_threshold: {random.choice([0, 0.3, 0.45, 0.7, 1])} top_k: {random.choice([-1, 3, 7, 400])}
                     eta: {random.choice([1, 0.9])} }}"""
    boxes = 1 if shared else classes
    inputs = numbers(seed, images, classes, boxes)
    check_by_oracle(tmp_path, head(rest, images, classes, boxes), inputs, opsets=OPSETS[-2:])


def test_flipped_boxes_are_kept_as_they_are(tmp_path):
    inputs = numbers(7, spread=9.0)
    rest = "code_type: CORNER confidence_threshold: 0.1 nms_param { nms_threshold: 0.1 }"
    rows = check_by_oracle(tmp_path, head(rest), inputs)["y"][0, 0]
    assert (rows[:, 5] < rows[:, 3]).any()
    assert (rows[:, 6] > rows[:, 4]).any()


def test_nothing_found_in_one_image_only(tmp_path):
    inputs = numbers(3)
    inputs["conf"][0] = 0
    rows = check_by_oracle(tmp_path, head("confidence_threshold: 0.5"), inputs)["y"][0, 0]
    assert (rows[:, 0] == 1).all()


def test_only_background(tmp_path):
    rows = check_by_oracle(tmp_path, head("", classes=1), numbers(3, classes=1))["y"]
    np.testing.assert_array_equal(rows[0, 0], [[0, *[-1] * 6], [1, *[-1] * 6]])


@pytest.mark.parametrize("nms", ["nms_threshold: 0.4 top_k: 5", "nms_threshold: 0.8 eta: 0.7"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_dynamic_batch(tmp_path, nms, shared):
    boxes = 1 if shared else 4
    text = head(f"keep_top_k: 7 share_location: {str(shared).lower()} nms_param {{ {nms} }}", boxes=boxes)
    shapes = {"loc": ("N", PRIORS * 4 * boxes), "conf": ("N", PRIORS * 4), "prior": (1, 2, PRIORS * 4)}
    conversion = check_dynamic(tmp_path, text, {"N": 3}, **shapes)
    assert shape_of(conversion, "y") == [1, 1, "y_rows", 7]


def test_two_heads_have_rows_of_their_own(tmp_path):
    text = head("") + layer("DetectionOutput", "z", "loc conf prior", rest="detection_output_param { num_classes: 4 }")
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    assert (shape_of(conversion, "y")[2], shape_of(conversion, "z")[2]) == ("y_rows", "z_rows")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("background_label_id: -1", "share_location cannot have background_label_id -1"),
        ("nms_param { nms_threshold: -1 }", "must not be negative"),
        ("nms_param { eta: 0 }", "eta must be above 0"),
        ("nms_param { eta: 1.5 }", "eta must be above 0"),
        ("share_location: false", "13 prior boxes need"),
        ("objectness_score: 0.5", 'the field "objectness_score"'),
        ("max_classes_per_detection: 2", 'the field "max_classes_per_detection"'),
    ],
)
def test_refused_heads(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, head(rest))[0])


def test_a_fork_field_that_says_its_default_is_no_harm(tmp_path):
    assert cbc.convert(write_net(tmp_path, head("tflite_detection: false visualize: true"))[0])


def test_batches_must_agree(tmp_path):
    text = head("").replace("dim: 2 dim: 52", "dim: 3 dim: 52", 1)
    with pytest.raises(cbc.InvalidNetError, match="different batch sizes"):
        cbc.convert(write_net(tmp_path, text)[0])


def priors(rest, cells=(5, 4), picture=(40, 24)):
    text = input_layer(2, 3, *picture) + input_layer(2, 6, *cells, name="map")
    # The prior boxes do not depend on what the bottoms hold: something must.
    text += layer("AbsVal", "other", "map") + layer("AbsVal", "third", "data")
    return text + layer("PriorBox", "y", "map data", rest=f"prior_box_param {{ {rest} }}")


@pytest.mark.parametrize("seed", range(12))
def test_prior_boxes_as_the_oracle_has_them(tmp_path, seed):
    random = np.random.default_rng(seed)
    sizes = np.sort(random.uniform(2, 30, (2, 2)), axis=1)
    rest = "".join(f"min_size: {low:.3f} " for low, _ in sizes)
    rest += "".join(f"max_size: {high + 1:.3f} " for _, high in sizes) if seed % 2 else ""
    rest += "".join(f"aspect_ratio: {ratio} " for ratio in random.choice([1, 0.5, 1.5, 2, 3], seed % 4))
    rest += (
        f"flip: {str(seed % 3 > 0).lower()} clip: {str(seed % 4 > 1).lower()} offset: {random.choice([0, 0.25, 0.5])} "
    )
    rest += str(random.choice(["", "step: 7.5", "step_h: 7 step_w: 5"]))
    rest += str(random.choice([" ", " img_size: 33", " img_h: 31 img_w: 47"]))
    rest += "".join(f" variance: {value}" for value in (0.1, 0.2, 0.3, 0.4)[: (0, 1, 4)[seed % 3]])
    inputs = {"data": np.zeros((2, 3, 40, 24), np.float32), "map": np.zeros((2, 6, 5, 4), np.float32)}
    wanted = check_by_oracle(tmp_path, priors(rest), inputs, opsets=OPSETS[1:2])["y"]
    conversion = cbc.convert(write_net(tmp_path, priors(rest))[0])
    np.testing.assert_array_equal(run(conversion, inputs)["y"], wanted)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "needs min_size"),
        ("min_size: 0", "min_size must be above 0"),
        ("min_size: 9 max_size: 9", "max_size must be above min_size"),
        ("min_size: 9 max_size: 12 max_size: 13", "1 min_size but 2 max_size"),
        ("min_size: 9 variance: 1 variance: 2", "it takes 1 or 4"),
        ("min_size: 9 variance: 0", "variance must be above 0"),
        ("min_size: 9 img_size: 8 img_h: 8 img_w: 8", "Caffe takes either"),
        ("min_size: 9 img_h: 8", "must both be above 0"),
        ("min_size: 9 step: 8 step_h: 8 step_w: 8", "Caffe takes either"),
        ("min_size: 9 step: 0", "step must be above 0"),
        ("min_size: 9 p_type: DENSE", 'the field "p_type"'),
    ],
)
def test_refused_priors(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, priors(rest))[0])


def test_priors_need_a_fixed_picture(tmp_path):
    with pytest.raises(cbc.UnsupportedError, match="the size is dynamic: H"):
        cbc.convert(write_net(tmp_path, priors("min_size: 9"))[0], shapes={"data": (2, 3, "H", 24)})
