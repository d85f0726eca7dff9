"""synopsys-caffe's DetectionOutput of many bottoms: the same numbers through SSD's own three bottoms give the same rows."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

MAPS = ((2, 3, 4), (3, 2, 2))
"""Boxes of a cell, rows and columns of each map."""
BOXES = [ratios * rows * columns for ratios, rows, columns in MAPS]
HEAD = "nms_param { nms_threshold: 0.45 top_k: 30 } code_type: CENTER_SIZE keep_top_k: 20 confidence_threshold: 0.2"


def numbers(classes=4):
    """Of each map, SSD's way, box by box of cell by cell: locations, confidences, priors with variances of their own."""
    random = np.random.default_rng(classes)
    found = []
    for count in BOXES:
        low = random.random((count, 2)) * 0.6
        boxes = np.concatenate([low, low + 0.1 + random.random((count, 2)) * 0.3], axis=1)
        variances = random.uniform(0.05, 0.3, (count, 4))
        scores = random.permutation(count * classes).reshape(count, classes) / (count * classes)
        found.append([random.normal(size=(count, 4)), scores, np.stack([boxes, variances])])
    return [[part.astype(np.float32) for part in parts] for parts in found]


def net(bottoms, rest, classes=4):
    text = "".join(input_layer(*value.shape, name=name) for name, value in bottoms.items())
    head = f"detection_output_param {{ num_classes: {classes} {HEAD} {rest} }}"
    return text + layer("DetectionOutput", "y", " ".join(bottoms), rest=head)


def ssd(folder, maps, classes=4):
    location, confidence, prior = (list(part) for part in zip(*maps, strict=True))
    bottoms = {
        "data": np.concatenate(location).reshape(1, -1), "c": np.concatenate(confidence).reshape(1, -1),
        "p": np.concatenate(prior, axis=1).reshape(1, 2, -1),
    }  # fmt: skip
    return check_by_oracle(folder, net(bottoms, "", classes), bottoms)["y"]


def by_cell(value, ratios):
    """(cells, ratios, …) as they lie in SSD's order."""
    return value.reshape(-1, ratios, *value.shape[1:])


def planes(maps, named="c{} l{}"):
    """What a Softmax (classes, ratios, cells) and a Convolution (4·ratios, rows, columns) leave."""
    conf, loc = named.split()
    bottoms = {}
    for n, ((_, scores, _), (ratios, _, _)) in enumerate(zip(maps, MAPS, strict=True)):
        value = by_cell(scores, ratios).transpose(2, 1, 0)
        bottoms[conf.format(n)] = np.ascontiguousarray(value)[None]
    for n, ((location, _, _), (ratios, rows, columns)) in enumerate(zip(maps, MAPS, strict=True)):
        value = by_cell(location, ratios).transpose(1, 2, 0)
        bottoms[loc.format(n)] = np.ascontiguousarray(value).reshape(1, 4 * ratios, rows, columns)
    return bottoms


def whole(maps):
    return {"p": np.concatenate([prior for *_, prior in maps], axis=1).reshape(1, 2, -1)}


def left_variances(maps):
    """The fork turns the boxes of a map to ratio by ratio, but not their variances: box i gets those of place i."""
    turned = []
    for (location, scores, prior), (ratios, _, _) in zip(maps, MAPS, strict=True):
        count = len(location)
        xy_num = count // ratios
        prior = prior.copy()
        given = prior[1].copy()
        for i in range(count):
            prior[1, i % xy_num * ratios + i // xy_num] = given[i]
        turned.append([location, scores, prior])
    return turned


def test_planes(tmp_path):
    maps = numbers()
    bottoms = planes(maps) | whole(maps)
    rows = check_by_oracle(tmp_path, net(bottoms, "no_permute: true nbottom: 2"), bottoms)["y"]
    assert rows.shape[2] > 10
    np.testing.assert_array_equal(rows, ssd(tmp_path, left_variances(maps)))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("of_each", [True, False])
def test_vectors(tmp_path, of_each, shared):
    """Neither field: only Concat is missing."""
    maps = numbers()
    if not shared:
        maps = [[np.repeat(m[0], 4, axis=1) * np.float32(1.1), *m[1:]] for m in maps]
    rest = f"nbottom: 2 share_location: {str(shared).lower()}"
    bottoms = {f"c{n}": m[1].reshape(1, -1, 1, 1) for n, m in enumerate(maps)}
    bottoms |= {f"l{n}": m[0].reshape(1, -1) for n, m in enumerate(maps)}
    bottoms |= {f"p{n}": m[2].reshape(1, 2, -1) for n, m in enumerate(maps)} if of_each else whole(maps)
    rows = check_by_oracle(tmp_path, net(bottoms, rest), bottoms)["y"]
    joined = {
        "data": np.concatenate([m[0] for m in maps]).reshape(1, -1),
        "c": np.concatenate([m[1] for m in maps]).reshape(1, -1), **whole(maps),
    }  # fmt: skip
    wanted = check_by_oracle(tmp_path, net(joined, f"share_location: {str(shared).lower()}"), joined)["y"]
    assert rows.shape[2] > 10
    np.testing.assert_array_equal(rows, wanted)


@pytest.mark.parametrize("of_each", [True, False])
def test_columns(tmp_path, of_each):
    """(classes, boxes) and (4, boxes), ratio by ratio; priors of each map are (4, boxes), too, variances among them."""
    maps = numbers()

    def turned(value, ratios):
        return np.ascontiguousarray(np.moveaxis(by_cell(value, ratios), 1, 0).reshape(len(value), -1).T)

    bottoms = {}
    for i, name in ((1, "c"), (0, "l")):
        for n, (m, (ratios, _, _)) in enumerate(zip(maps, MAPS, strict=True)):
            bottoms[f"{name}{n}"] = turned(m[i], ratios).reshape(1, -1)
    if of_each:
        for n, (m, (ratios, _, _)) in enumerate(zip(maps, MAPS, strict=True)):
            bottoms[f"p{n}"] = np.stack([turned(half, ratios) for half in m[2]]).reshape(1, 2, -1)
    else:
        bottoms |= whole(maps)
        maps = left_variances(maps)
    rest = "ratio_permute: true nbottom: 2 ratio0: 2 ratio1: 3"
    rows = check_by_oracle(tmp_path, net(bottoms, rest), bottoms)["y"]
    assert rows.shape[2] > 10
    np.testing.assert_array_equal(rows, ssd(tmp_path, maps))


@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("background", [0, 1])
def test_refinedet(tmp_path, classes, background):
    """4N + 1 bottoms; "object" is channel 2 where the number of classes is odd, else channel 1."""
    maps = numbers(classes)
    random = np.random.default_rng(5)
    likely = [[m[0] / 3, random.random((count, 4)).astype(np.float32)] for m, count in zip(maps, BOXES, strict=True)]
    arms = planes([[location[::-1], scores, 0] for location, scores in likely], "o{} r{}")
    bottoms = planes(maps) | whole(maps) | arms
    rest = f"objectness_score: 0.15 background_label_id: {background}"
    arm = "no_permute: true nbottom: 2 arm_conf_no_concat: true arm_loc_no_concat: true"
    rows = check_by_oracle(tmp_path, net(bottoms, f"{rest} {arm}", classes), bottoms)["y"]
    channel = 2 if classes == 3 else 1
    left = left_variances(maps)
    joined = {
        "data": np.concatenate([m[0] for m in left]).reshape(1, -1),
        "c": np.concatenate([m[1] for m in left]).reshape(1, -1), **whole(left),
        "o": np.concatenate([scores[:, [0, channel]] for _, scores in likely]).reshape(1, -1),
        "r": np.concatenate([location[::-1] for location, _ in likely]).reshape(1, -1),
    }  # fmt: skip
    assert rows.shape[2] > 5
    wanted = check_by_oracle(tmp_path, net(joined, rest, classes), joined)["y"]
    # What is likely nothing has equal scores, 1 where class 0 is not the background: by their order.
    np.testing.assert_array_equal(*(sorted(value[0, 0].tolist()) for value in (rows, wanted)))


def test_one_map_comes_confidences_first(tmp_path):
    maps = numbers()[:1]
    bottoms = {"c": maps[0][1].reshape(1, -1), "l": maps[0][0].reshape(1, -1), **whole(maps)}
    rows = check_by_oracle(tmp_path, net(bottoms, "nbottom: 1"), bottoms)["y"]
    np.testing.assert_array_equal(rows, ssd(tmp_path, maps))


def test_fewer_bottoms_than_maps_are_ssds(tmp_path):
    maps = numbers()
    three = {"l": np.concatenate([m[0] for m in maps]).reshape(1, -1),
             "c": np.concatenate([m[1] for m in maps]).reshape(1, -1), **whole(maps)}  # fmt: skip
    rows = check_by_oracle(tmp_path, net(three, "nbottom: 7 no_permute: true ratio0: 9"), three)["y"]
    np.testing.assert_array_equal(rows, ssd(tmp_path, maps))


def test_it_is_told(tmp_path):
    maps = numbers()
    text = net(planes(maps) | whole(maps), "no_permute: true nbottom: 2")
    conversion = cbc.convert(write_net(tmp_path, text)[0])
    told = [f.what for f in conversion.findings if f.code == "DIA001"]
    assert told == ["taken for synopsys-caffe's DetectionOutput of 2 maps, by its 5 bottoms"]
    assert conversion.verify().passed


BOTH = "arm_conf_no_concat: true arm_loc_no_concat: true"


@pytest.mark.parametrize(
    ("rest", "change", "message"),
    [
        ("no_permute: true nbottom: 3", {}, "it has 5 bottoms; with one for each of 3 maps"),
        ("no_permute: true nbottom: 0", {}, "nbottom must be above 0"),
        ("no_permute: true nbottom: 2 ratio_permute: true", {}, "given together"),
        ("no_permute: true nbottom: 2 share_location: false", {}, "need share_location"),
        (f"no_permute: true nbottom: 2 {BOTH}", {}, "takes 9"),
        ("no_permute: true nbottom: 2 arm_conf_no_concat: true", {}, "go together"),
        ("no_permute: true nbottom: 2 tflite_detection: true", {}, 'the field "tflite_detection"'),
        ("no_permute: true nbottom: 2 objectness_score: 0.5", {}, 'the field "objectness_score"'),
        ("nbottom: 2", {}, "must be vectors of 4 confidences"),
        ("no_permute: true nbottom: 2", {"c1": (1, 4, 3, 5)}, "do not fit"),
        ("no_permute: true nbottom: 2", {"p": (1, 2, 100)}, r"\[36\] boxes must have 4 numbers each, not \[100\]"),
        ("no_permute: true nbottom: 2", {"c0": (2, 4, 2, 12)}, "first image only"),
        ("ratio_permute: true nbottom: 2", {"c0": (1, 96), "l0": (1, 96), "c1": (1, 48), "l1": (1, 48)}, "ratio0, 3, does"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, rest, change, message):
    maps = numbers()
    bottoms = planes(maps) | whole(maps)
    bottoms |= {name: np.zeros(shape, np.float32) for name, shape in change.items()}
    if "ratio_permute: true nbottom" in rest:
        bottoms["c0"], bottoms["l0"] = np.zeros((1, 80), np.float32), np.zeros((1, 80), np.float32)
        bottoms["p"] = np.zeros((1, 2, 128), np.float32)
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, net(bottoms, rest))[0])
