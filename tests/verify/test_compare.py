from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.verify.compare import compare
from caffe_bn_convert.verify.tolerance import Rule


@pytest.fixture
def value() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    exact = np.random.default_rng(0).normal(size=(2, 3, 7, 9))
    rounded = exact.astype(np.float32)
    return rounded.copy(), exact, rounded


def test_another_rounding_passes(value):
    actual, exact, rounded = value
    actual = np.nextafter(actual, np.float32(9))
    deviation = compare(actual, exact, rounded)
    assert deviation.passed
    assert deviation.count == exact.size
    assert 0 < deviation.ratio < 1


def test_the_worst_number_is_named(value):
    actual, exact, rounded = value
    actual[1, 2, 3, 4] += 0.5
    actual[0, 0, 0, 0] += 0.25
    deviation = compare(actual, exact, rounded)
    assert not deviation.passed
    assert deviation.wrong == 2
    assert deviation.index == (1, 2, 3, 4)
    assert deviation.error == pytest.approx(0.5, rel=1e-6)
    assert deviation.actual - deviation.expected == pytest.approx(0.5, rel=1e-6)
    assert deviation.noise < deviation.tolerance < 1e-4


def test_a_small_channel_is_not_hidden_by_a_large_one(value):
    _, exact, _ = value
    exact[:, 0] *= 1e6
    rounded = exact.astype(np.float32)
    actual = rounded.copy()
    actual[:, 1] *= np.float32(1.01)
    assert compare(actual, exact, rounded).index[1] == 1


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_must_be_none_in_both(value, odd):
    actual, exact, rounded = value
    actual[0, 1, 2, 3] = odd
    deviation = compare(actual, exact, rounded)
    assert deviation.wrong == 1
    assert deviation.ratio == np.inf
    assert "where Caffe has" in deviation.what
    exact[0, 1, 2, 3] = rounded[0, 1, 2, 3] = odd
    assert compare(actual, exact, rounded).passed


def test_a_number_where_caffe_has_none_is_wrong(value):
    actual, exact, rounded = value
    exact[0, 1, 2, 3] = rounded[0, 1, 2, 3] = np.nan
    assert compare(actual, exact, rounded).wrong == 1


def test_float32_may_overflow_where_float64_does_not(value):
    actual, exact, rounded = value
    exact[0, 0, 0, 0], rounded[0, 0, 0, 0], actual[0, 0, 0, 0] = 1e300, np.inf, np.inf
    assert compare(actual, exact, rounded).passed


def test_another_shape(value):
    actual, exact, rounded = value
    deviation = compare(actual[:, :2], exact, rounded)
    assert not deviation.passed
    assert deviation.what == "its shape is 2×2×7×9, not 2×3×7×9"


def test_nothing_passes():
    nothing = np.zeros((0, 7))
    assert compare(nothing, nothing, nothing).passed


def test_numbers_of_the_user(value):
    actual, exact, rounded = value
    actual = actual + np.float32(0.01)
    assert compare(actual, exact, rounded, Rule(atol=0.02)).passed
    assert not compare(actual, exact, rounded, Rule(atol=0.005)).passed
    assert not compare(actual, exact, rounded, Rule(rtol=0.005)).passed


def test_large_values_in_chunks():
    exact = np.random.default_rng(0).normal(size=(3, 5, 300, 301))
    rounded = exact.astype(np.float32)
    actual = rounded.copy()
    actual[2, 4, 299, 300] += 1
    assert compare(actual, exact, rounded).index == (2, 4, 299, 300)
