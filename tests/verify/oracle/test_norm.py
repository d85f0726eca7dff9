from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError

RANDOM = np.random.default_rng(5)
X = RANDOM.uniform(-1, 1, (2, 3, 7, 9))
MEAN, VARIANCE = np.float32([1, 2, 3]), np.float32([4, 5, 6])


def along(values):
    return np.float64(values).reshape(3, 1, 1)


def test_batch_norm_divides_by_its_third_blob(apply):
    eps = np.float64(np.float32(1e-5))
    (y,) = apply("BatchNorm", "", X, blobs=[MEAN, VARIANCE, [4]])
    np.testing.assert_allclose(y, (X - along(MEAN / 4)) / np.sqrt(along(VARIANCE / 4) + eps), rtol=1e-14)


@pytest.mark.parametrize("blobs", [[MEAN, VARIANCE, [0]], []])
def test_batch_norm_with_factor_zero_or_without_weights(apply, blobs):
    (y,) = apply("BatchNorm", "batch_norm_param { eps: 0.25 }", X, blobs=blobs)
    np.testing.assert_array_equal(y, X * 2)


@pytest.mark.parametrize("shape", [(7, 3), (2, 3, 5), (2, 3, 2, 3, 4), (7,)])
def test_batch_norm_by_the_batch(apply, shape):
    x = RANDOM.uniform(-1, 1, shape)
    (y,) = apply("BatchNorm", "batch_norm_param { use_global_stats: false eps: 0 }", x)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-14)
    np.testing.assert_allclose(y.std(axes), 1)


def test_use_global_stats_goes_before_the_phase(apply):
    blobs = [MEAN, VARIANCE, [1]]
    (stored,) = apply("BatchNorm", "batch_norm_param { use_global_stats: true }", X, blobs=blobs, phase="TRAIN")
    np.testing.assert_array_equal(stored, apply("BatchNorm", "", X, blobs=blobs)[0])
    (batch,) = apply("BatchNorm", "", X, blobs=blobs, phase="TRAIN")
    assert abs(batch.mean()) < 1e-12 < abs(stored.mean())


def test_scale_of_one_bottom(apply):
    w, b = RANDOM.uniform(-1, 1, (2, 7, 9)).astype(np.float32)
    (y,) = apply("Scale", "scale_param { axis: -2 num_axes: 2 bias_term: true }", X, blobs=[w, b])
    np.testing.assert_array_equal(y, X * np.float64(w) + b)
    (y,) = apply("Scale", "scale_param { num_axes: 0 }", X, blobs=[np.float32(3)])
    np.testing.assert_array_equal(y, X * 3)
    np.testing.assert_array_equal(apply("Scale", "", X)[0], X)
    np.testing.assert_array_equal(apply("Bias", "", X)[0], X)


def test_scale_of_two_bottoms_has_only_a_bias_blob(apply):
    factor, b = RANDOM.uniform(-1, 1, (2, 3)), RANDOM.uniform(-1, 1, (2, 3)).astype(np.float32)
    (y,) = apply("Scale", "scale_param { axis: 0 num_axes: 7 bias_term: true }", X, factor, blobs=[b])
    np.testing.assert_array_equal(y, X * factor[..., None, None] + b[..., None, None].astype(float))
    (y,) = apply("Bias", "bias_param { axis: 3 }", X, X[0, 0, 0])
    np.testing.assert_array_equal(y, X + X[0, 0, 0])


def test_scale_refuses(apply):
    with pytest.raises(InvalidNetError, match="second bottom"):
        apply("Scale", "", X, np.ones(7))
    with pytest.raises(InvalidNetError, match="out of range"):
        apply("Scale", "scale_param { axis: 2 num_axes: 3 }", X)
    with pytest.raises(InvalidNetError, match="1 to 2 bottom"):
        apply("Scale", "", X, X, X)


def test_lrn_across_channels(apply):
    (y,) = apply("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.25 k: 2 }", X)
    around = X[:, 0] ** 2 + X[:, 1] ** 2
    np.testing.assert_allclose(y[:, 0], X[:, 0] / (2 + 0.5 / 3 * around) ** 0.25)


def test_lrn_within_a_channel_ignores_k(apply):
    text = "lrn_param { local_size: 3 alpha: 0.5 beta: 0.25 norm_region: WITHIN_CHANNEL k: %s }"
    (y,) = apply("LRN", text % 7, X)
    np.testing.assert_array_equal(y, apply("LRN", text % 1, X)[0])
    corner = (X[:, :, :2, :2] ** 2).sum((2, 3))
    np.testing.assert_allclose(y[:, :, 0, 0], X[:, :, 0, 0] / (1 + 0.5 / 9 * corner) ** 0.25)
    with pytest.raises(InvalidNetError, match="not odd"):
        apply("LRN", "lrn_param { local_size: 4 }", X)


def test_mvn_has_eps_outside_of_the_root(apply):
    (y,) = apply("MVN", "mvn_param { eps: 0.5 }", X)
    centred = X - X.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(y, centred / (X.std((2, 3), keepdims=True) + 0.5))
    (y,) = apply("MVN", "mvn_param { across_channels: true normalize_variance: false }", X)
    np.testing.assert_allclose(y, X - X.mean((1, 2, 3), keepdims=True))


def test_mvn_makes_four_axes(apply):
    (y,) = apply("MVN", "", X[:, :, 0, 0])
    np.testing.assert_array_equal(y, np.zeros((2, 3, 1, 1)))
    with pytest.raises(InvalidNetError, match="at most 4"):
        apply("MVN", "", X[None])
