"""BoxOutput and BoxGroupOutput: ONNX, the oracle, and the loops of their C++ once more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caffe_bn_convert as cbc
from tests.golden import OPSETS, run
from tests.layers.cascade_loops import FIELDS, GROUPS, Box, Group, box_net, field_maps, group_maps
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

NO_BOX = [[0, 1, 1, 10, 10]]


def check_rows(folder, rule, bottoms, opsets=OPSETS):
    """ONNX, the oracle and the loops of the C++ must choose the same."""
    inputs = dict(zip("abcdef", bottoms, strict=False))
    got = check_by_oracle(folder, box_net(rule, *(b.shape for b in bottoms)), inputs, opsets=opsets)
    wanted = rule.rows(bottoms)
    if not len(wanted):
        np.testing.assert_array_equal(got["y"].reshape(-1, 5), NO_BOX)
        np.testing.assert_array_equal(got["s"].reshape(-1, 6), np.zeros((1, 6)))
    else:
        np.testing.assert_allclose(got["s"][..., 0, 0], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(got["y"][..., 0, 0], wanted[:, :5], rtol=1e-4, atol=1e-4)
    return wanted


@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fg": -5, "before": 31, "norm": True},
        {"after": 4, "smallest": 5},
        {"fg": -5, "before": 40, "after": 3, "smallest": 21},
        {"fg": 0.1, "smallest": 0},
    ],
)
def test_box_output(tmp_path, kind, options):
    wanted = check_rows(tmp_path, Box(FIELDS, kind=kind, **options), field_maps())
    assert set(wanted[:, 0]) == {0, 1}
    assert len(wanted) > 4


def test_a_score_on_the_threshold_counts(tmp_path):
    maps = field_maps(1)
    for m in maps:
        m[:, :3] = np.round(m[:, :3] * 2) / 2
    best = max(float((m[0, 1:3].max(axis=0) - m[0, 0]).max()) for m in maps)
    wanted = check_rows(tmp_path, Box(FIELDS, fg=best, smallest=1), maps)
    assert set(wanted[:, 5]) == {best}


def test_equal_scores_the_later_box_is_the_better_one(tmp_path):
    maps = field_maps(1)
    for m in maps:
        m[:, :3] = np.round(m[:, :3] * 2) / 2
    rule = Box(FIELDS, fg=-1, before=13)
    wanted = check_rows(tmp_path, rule, maps)
    assert len(set(wanted[:, 5])) < len(wanted)
    check_rows(tmp_path, Box(FIELDS, fg=-1), maps)
    check_rows(tmp_path, Box(FIELDS, fg=-1, kind="IOMU"), maps)


@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fg": 0.1, "before": 31, "norm": True},
        {"after": 4, "smallest": 5},
        {"fg": 0.1, "before": 40, "after": 3, "smallest": 21},
        {"fg": 0.1, "smallest": 1},
        {"iou": 0.03, "smallest": 15},
    ],
)
def test_box_group_output(tmp_path, kind, options):
    wanted = check_rows(tmp_path, Group(GROUPS, kind=kind, **options), group_maps())
    assert set(wanted[:, 0]) == {0, 1}
    assert len(wanted) > 2


@pytest.mark.parametrize(
    "rule", [Box(FIELDS, fg=9), Box(FIELDS, fg=9, kind="IOMU"), Box(FIELDS, smallest=500, before=7)]
)
def test_no_box(tmp_path, rule):
    assert not len(check_rows(tmp_path, rule, field_maps()))


@pytest.mark.parametrize("rule", [Group(GROUPS, fg=9), Group(GROUPS, fg=9, kind="IOFU"), Group(GROUPS, fg=9, before=5)])
def test_no_box_of_a_group(tmp_path, rule):
    assert not len(check_rows(tmp_path, rule, group_maps()))


def test_no_box_in_one_of_two_images(tmp_path):
    maps = field_maps()
    maps[0][0, 0], maps[1][0, 0] = 9, 9
    assert set(check_rows(tmp_path, Box(FIELDS), maps)[:, 0]) == {1}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("nets")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_boxes(scratch, data):
    """Moves on a coarse grid, so that boxes touch, are equal and lie within each other."""
    pick, grid = data.draw, st.integers(-4, 4)
    group = pick(st.booleans())
    shape = (1, 4, pick(st.integers(1, 3)), pick(st.integers(1, 4)))
    count = int(np.prod(shape))
    moves = np.array(pick(st.lists(grid, min_size=count, max_size=count)), np.float32).reshape(shape) / 8
    scores = np.array(pick(st.permutations(range(1, count // 4 + 1))), np.float32).reshape(1, 1, *shape[2:]) / 32
    options = {"kind": pick(st.sampled_from(["IOU", "IOMU", "IOFU", "other"])),
               "iou": pick(st.sampled_from([-1, 0, 0.13, 0.47, 2])),
               "before": pick(st.integers(0, 7)), "after": pick(st.integers(0, 3)),
               "smallest": pick(st.sampled_from([0, 1.03, 3, 5])), "fg": pick(st.sampled_from([0.015, 0.1]))}  # fmt: skip
    width, height, stride = pick(st.integers(1, 9)), pick(st.integers(1, 9)), pick(st.integers(1, 4))
    if group:
        check_rows(scratch, Group([([(width, height)], stride)], **options), [1 - scores, moves], OPSETS[1:2])
    else:
        bottom = np.concatenate([0 * scores, scores, moves], axis=1)
        check_rows(scratch, Box([(width, height, stride)], **options), [bottom], OPSETS[1:2])


def test_batches_of_any_size(tmp_path):
    maps = field_maps(3)
    text = box_net(Box(FIELDS), *(m.shape for m in maps))
    inputs = dict(zip("ab", maps, strict=True))
    shapes = {"a": ("N", 7, 6, 8), "b": ("N", 7, 3, 4)}
    got = run(cbc.convert(write_net(tmp_path, text)[0], shapes=shapes), inputs)
    np.testing.assert_allclose(got["s"][..., 0, 0], Box(FIELDS).rows(maps), rtol=1e-4, atol=1e-4)


ONE = Box(FIELDS[:1]).text()
TWO = Group(GROUPS[:1]).text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (input_layer(1, 7, 6, 8) + layer("BoxOutput", "y", rest=Box(FIELDS).text()), "1 bottoms need as many field_w"),
        (input_layer(1, 5, 6, 8) + layer("BoxOutput", "y", rest=ONE), "5 channels only"),
        (input_layer(1, 7, 6) + layer("BoxOutput", "y", rest=ONE), "maps of 4 axes"),
        (
            input_layer(1, 7, 6, 8) + layer("BoxOutput", "y", rest=ONE + "bbox_reg_param { bbox_mean: 1 bbox_std: 1 }"),
            "4 numbers",
        ),
        (box_net(Group(GROUPS[:1]), (3, 2, 5, 7), (3, 4, 5, 6)), "need boxes of 3x4x5x7"),
        (box_net(Group(GROUPS[:1]), (4, 2, 5, 7), (4, 4, 5, 7)), "3 fields of view"),
        (input_layer(3, 2, 5, 7) + layer("BoxGroupOutput", "y", rest=TWO), "two bottoms belong to each"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
