from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError

SLOPE = np.broadcast_to(np.arange(9.0) + 10 * np.arange(7.0)[:, None], (1, 2, 7, 9))


def test_im_resize_of_a_slope_is_the_slope_inside(apply):
    top = apply("ImResize", "imresize_param { factor: 4 }", SLOPE)[0]
    assert top.shape == (1, 2, 28, 36)
    row, column = np.arange(28), np.arange(36)
    expected = ((column - 1.5) / 4) + 10 * ((row - 1.5) / 4)[:, None]
    np.testing.assert_allclose(top[0, 1, 8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-4)


def test_im_resize_averages_the_scales(apply):
    both = np.concatenate([np.full((1, 2, 8, 10), 1.0), np.full((1, 2, 8, 10), 4.0)])
    text = "imresize_param { target_spatial_height: 5 target_spatial_width: 6 start_scale: 1 scale_gap: 0.3 }"
    np.testing.assert_allclose(apply("ImResize", text, both)[0], np.full((1, 2, 5, 6), 2.5))
    with pytest.raises(InvalidNetError, match="scales"):
        apply("ImResize", "imresize_param { factor: 2 start_scale: 1.5 }", both)


def test_nms_finds_inner_peaks_and_their_centres(apply):
    maps = np.zeros((1, 3, 12, 15))
    maps[0, 0, 5, 6], maps[0, 0, 5, 7] = 0.9, 0.3
    maps[0, 1, 0, 4] = maps[0, 2, 3, 3] = maps[0, 2, 3, 4] = 0.8  # on the border; two equal neighbours
    top = apply("Nms", "nms_param { threshold: 0.2 num_parts: 3 max_peaks: 2 }", maps)[0]
    assert top.shape == (1, 3, 3, 3)
    np.testing.assert_array_equal(top[0, :, 0, 0], [1, 0, 0])
    np.testing.assert_allclose(top[0, 0, 1], [(6 * 0.9 + 7 * 0.3) / 1.2, 5, 0.9])


def test_nms_counts_more_peaks_than_it_writes(apply):
    maps = np.zeros((1, 1, 9, 20))
    maps[0, 0, 4, 2::4] = np.arange(5) + 1
    top = apply("Nms", "nms_param { num_parts: 1 max_peaks: 3 }", maps)[0]
    np.testing.assert_array_equal(top[0, 0, :, 2], [0, 1, 2, 3])
    assert top[0, 0, 0, 0] == 5
