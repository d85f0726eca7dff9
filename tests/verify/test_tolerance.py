from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.verify.tolerance import TINY, measure, sizes, spread


def noisy(shape: tuple[int, ...], size: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=shape)
    return exact, exact + size * rng.normal(size=shape)


def test_noise_is_measured_for_each_channel():
    exact, rounded = noisy((2, 3, 17, 19), 1e-6)
    for value in (exact, rounded):
        value[:, 1] *= 1e3
    unit = measure(exact, rounded).unit
    assert unit.shape == (2, 3)
    assert (unit[:, 1] > 300 * unit[:, 0]).all()
    assert (unit[:, 0] < 1e-5).all()


def test_noise_follows_the_scale():
    exact, rounded = noisy((2, 3, 7, 9), 1e-6)
    small, large = measure(exact, rounded).unit, measure(exact * 64, rounded * 64).unit
    np.testing.assert_allclose(large, small * 64)


def test_a_channel_with_few_numbers_borrows_from_its_row():
    exact, rounded = noisy((2, 50), 1e-6)
    rounded[0, 7] = exact[0, 7]  # by luck without noise
    unit = measure(exact, rounded).unit
    assert unit[0, 7] > 0.5e-6


def test_a_channel_of_zeros_is_allowed_next_to_nothing():
    exact, rounded = noisy((1, 3, 17, 19), 1e-6)
    exact[:, 2] = rounded[:, 2] = 0
    unit = measure(exact, rounded).unit
    assert TINY < unit[0, 2] < 1e-5


def test_what_is_no_number_makes_no_noise():
    exact, rounded = noisy((1, 2, 5, 7), 1e-6)
    exact[0, 0, 0, 0] = rounded[0, 0, 0, 0] = np.inf
    rounded[0, 0, 1, 1] = np.nan
    noise = measure(exact, rounded)
    assert np.isfinite(noise.unit).all()
    assert noise.largest.max() < 10


def test_noise_where_the_exact_numbers_vanish_does_not_spill_over():
    exact, rounded = noisy((1, 3, 5, 7), 1e-7)
    exact[:, 0], rounded[:, 0] = 1e-30, 0.9
    unit = measure(exact, rounded).unit
    assert unit[0, 0] > 0.8
    assert np.isfinite(unit).all()


@pytest.mark.parametrize(
    ("shape", "expected"), [((), (1, 1, 1)), ((5,), (1, 5, 1)), ((2, 3), (2, 3, 1)), ((2, 3, 7, 9), (2, 3, 63))]
)
def test_groups(shape, expected):
    assert sizes(shape) == expected
    rows, channels, _ = expected
    assert np.broadcast_to(spread(np.zeros((rows, channels)), shape), shape).shape == shape


def test_nothing_at_all():
    assert measure(np.zeros((0, 3, 2)), np.zeros((0, 3, 2))).unit.size == 0


def test_an_image_that_is_the_same_all_over_borrows_noise():
    """Its one number may show no noise by luck, however many pixels have it."""
    rng = np.random.default_rng(1)
    exact = rng.normal(size=(1, 8, 24, 24))
    rounded = (exact + 1e-5 * rng.normal(size=exact.shape)).astype(np.float32)
    exact[0, 3], rounded[0, 3] = 0.25, 0.25
    flat, uneven = measure(exact, rounded).unit[0, 3], measure(exact, rounded).unit[0, [0, 1, 2, 4]]
    assert 1e-6 < flat <= uneven.max()
    exact[0, 3] = rng.uniform(-0.25, 0.25, (24, 24)).astype(np.float32)
    rounded[0, 3] = exact[0, 3]
    assert measure(exact, rounded).unit[0, 3] <= flat / 2
