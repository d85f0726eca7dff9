from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.verify.discrete import agree
from caffe_bn_convert.verify.tolerance import Rule

RULE = Rule()


def detections(count: int = 23) -> np.ndarray:
    rng = np.random.default_rng(5)
    rows = np.empty((count, 7))
    rows[:, 0], rows[:, 1] = 0, rng.integers(1, 5, count)
    rows[:, 2] = np.sort(rng.uniform(0.1, 1, count))[::-1]
    rows[:, 3:] = rng.uniform(0, 1, (count, 4))
    return rows.reshape(1, 1, count, 7)


def float32(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32)


def test_every_index_is_one_that_may_be_chosen():
    exact, rounded = np.array([[3.0, 1.0, 4.0]]), np.array([[3.0, 2.0, 4.0]], np.float32)
    other = np.array([[5.0, 1.0, 4.0]])
    assert agree(float32(np.array([[5, 2, 4]])), (exact, rounded, other), RULE).passed
    wrong = agree(float32(np.array([[3, 1, 5]])), (exact, rounded, other), RULE)
    assert not wrong.passed
    assert wrong.index == (0, 2)


def test_a_whole_number_that_is_off_by_little_is_wrong():
    exact = np.array([[3.0, 1.0, 4.0]])
    assert not agree(float32(exact + 1e-4), (exact, float32(exact)), RULE).passed


def test_equal_scores_in_another_order():
    exact = detections()
    exact[0, 0, 4, 2] = exact[0, 0, 5, 2]
    swapped = exact.copy()
    swapped[0, 0, [4, 5]] = exact[0, 0, [5, 4]]
    assert agree(float32(swapped), (exact, float32(exact)), RULE).passed


def test_one_box_more_among_the_others():
    """All rows after it have moved on: each is still beside its own."""
    exact, other = detections(), detections()
    other[0, 0, 7:] = np.roll(exact[0, 0, 7:], 1, axis=0)
    other[0, 0, 7, 2:] = 0.5
    assert agree(float32(other), (exact, float32(exact), other), RULE).passed
    assert not agree(float32(other), (exact, float32(exact)), RULE).passed


@pytest.mark.parametrize("column", range(7))
@pytest.mark.parametrize("place", [0, 11, 22])
def test_a_detection_that_is_off(column, place):
    exact = detections()
    off = exact.copy()
    off[0, 0, place, column] += 1e-4
    found = agree(float32(off), (exact, float32(exact)), RULE)
    assert not found.passed
    assert found.index == (0, 0, place, column)


def test_a_choice_that_flips_does_not_hide_the_others():
    exact, rounded = detections(), float32(detections())
    rounded[0, 0, 3, 1:] = 2, 0.9, 0.1, 0.1, 0.7, 0.7
    assert agree(rounded, (exact, rounded), RULE).passed
    off = rounded.copy()
    off[0, 0, 9, 2] += 1e-4
    assert not agree(off, (exact, rounded), RULE).passed


def test_a_detection_too_few():
    exact = detections()
    fewer = exact[:, :, 1:]
    assert "1×1×22×7" in agree(float32(fewer), (exact, float32(exact)), RULE).what
    assert agree(float32(fewer), (exact, float32(exact), fewer), RULE).passed


def test_a_corner_at_the_edge_has_the_roundings_of_the_others():
    exact = detections(1)
    exact[0, 0, 0, 3] = 1e-9
    off = exact.copy()
    off[0, 0, 0, 3] += 6e-8
    assert agree(off, (exact, float32(exact)), RULE).passed


def among_specks(count: int) -> np.ndarray:
    """The detections, and boxes of no height or without end in between, one class behind the other."""
    specks = np.zeros((count, 7))
    specks[:, 1] = np.arange(count)
    specks[:, 2:] = 0.5, 0.3, 0.4, 0.6, 0.4
    specks[::2, 5] = np.inf
    rows = detections()[0, 0]
    return np.concatenate([rows[:9], specks, rows[9:]])[None, None]


def test_how_many_classes_a_speck_keeps_does_not_count():
    exact, fewer = among_specks(80), float32(among_specks(41))
    assert agree(fewer, (exact, float32(exact)), RULE).passed
    off = fewer.copy()
    off[0, 0, 55, 4] += 1e-3
    found = agree(off, (exact, float32(exact)), RULE)
    assert not found.passed
    assert found.index == (0, 0, 55, 4)
    lost = np.delete(fewer, 3, axis=2)
    assert not agree(lost, (exact, float32(exact)), RULE).passed


def test_specks_among_themselves_count():
    exact = among_specks(80)[:, :, 9:89]
    assert agree(float32(exact), (exact, float32(exact)), RULE).passed
    assert not agree(float32(exact[:, :, 1:]), (exact, float32(exact)), RULE).passed
