from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.roi import rounded


@pytest.mark.parametrize("kind", ["PSROIPooling", "ROIPooling"])
def test_as_caffe(golden, kind):
    golden(kind)


def test_rounding_is_that_of_c():
    halves = np.array([-1.5, -0.5, 0.49999997, 0.5, 1.5, 2.5], np.float32)
    np.testing.assert_array_equal(rounded(halves), [-2, -1, 0, 1, 2, 3])


MAP = np.arange(2 * 3 * 7 * 9, dtype=np.float64).reshape(2, 3, 7, 9)


def test_roi_pooling_takes_the_last_pixel_too(apply):
    text = "roi_pooling_param { pooled_h: 1 pooled_w: 1 spatial_scale: 0.5 }"
    top = apply("ROIPooling", text, MAP, [[1, 2, 4, 6, 8]])[0]
    np.testing.assert_array_equal(top[0, :, 0, 0], MAP[1, :, 4, 3])


def test_roi_outside_the_map_is_zero(apply):
    text = "roi_pooling_param { pooled_h: 2 pooled_w: 3 }"
    np.testing.assert_array_equal(apply("ROIPooling", text, MAP, [[0, 20, 20, 30, 30]])[0], np.zeros((1, 3, 2, 3)))


def test_no_regions(apply):
    text = "roi_pooling_param { pooled_h: 2 pooled_w: 3 }"
    assert apply("ROIPooling", text, MAP, np.zeros((0, 5)))[0].shape == (0, 3, 2, 3)


def test_psroi_pooling_by_hand(apply):
    maps = np.random.default_rng(0).standard_normal((1, 8, 5, 6))
    text = "psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 1 }"
    top = apply("PSROIPooling", text, maps, [[0, 1, 1, 4, 2]])[0]
    np.testing.assert_allclose(top[0, 1, 0, 1], maps[0, 5, 1:2, 3:5].mean(), rtol=1e-12)


@pytest.mark.parametrize("rois", [[[2, 0, 0, 1, 1]], [[-1, 0, 0, 1, 1]], [[0, 0, 0, 1]]])
def test_refuses_bad_regions(apply, rois):
    with pytest.raises(InvalidNetError, match="ROIs"):
        apply("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 3 }", MAP, rois)


def test_roi_align_of_the_mask_rcnn_fork(apply):
    maps = np.random.default_rng(1).standard_normal((1, 2, 5, 6))
    text = "roi_align_param { pooled_h: 1 pooled_w: 1 spatial_scale: 1 }"
    # The bin goes from 1 to 3, its first four cells are (1, 1), (1, 2), (1, 3), (2, 1). From 1 to 2, the region's own
    # end, they stand at -1 and 1 (cell 3 too), of which a sample at ±0.5 takes half of the nearer.
    top = apply("ROIAlign", text, maps, [[0, 1, 1, 2, 2]])[0]
    v = maps[0]
    samples = [v[:, 1, 1], v[:, 1, 2] + v[:, 1, 3], v[:, 2, 1], 0 * v[:, 1, 1]]
    np.testing.assert_allclose(top[0, :, 0, 0], np.max(samples, axis=0) / 4, rtol=1e-6)


def test_roi_align_with_a_sampling_ratio_is_the_average(apply):
    """Samples at 1.25 and 1.75 either way: the middle of four cells."""
    text = "roi_align_param { pooled_h: 1 pooled_w: 1 sampling_ratio: 2 }"
    top = apply("ROIAlign", text, MAP[:1], [[0, 1, 1, 2, 2]])[0]
    np.testing.assert_allclose(top[0, :, 0, 0], MAP[0][:, 1:3, 1:3].mean(axis=(1, 2)), rtol=1e-6)
