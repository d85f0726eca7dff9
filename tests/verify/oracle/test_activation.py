from __future__ import annotations

import math

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

X = np.linspace(-3, 3, 2 * 3 * 7 * 9).reshape(2, 3, 7, 9)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("AbsVal", "", np.abs),
        ("BNLL", "", lambda x: np.log1p(np.exp(x))),
        ("Clip", "clip_param { min: -1 max: 2 }", lambda x: np.clip(x, -1, 2)),
        ("Clip", "clip_param { min: 2 max: -1 }", lambda x: np.full_like(x, 2)),
        ("Dropout", "", lambda x: x),
        ("Dropout", "dropout_param { dropout_ratio: 0.25 scale_train: false }", lambda x: x * 0.75),
        ("ELU", "elu_param { alpha: 0.5 }", lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        ("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", lambda x: 2 ** (1 + x / 2)),
        ("Exp", "exp_param { shift: 1 }", lambda x: np.exp(1 + x)),
        ("Log", "log_param { base: 2 scale: 0.5 shift: 4 }", lambda x: np.log2(4 + x / 2)),
        ("Power", "power_param { power: 2 scale: 0.5 shift: 1 }", lambda x: (1 + x / 2) ** 2),
        ("Power", "power_param { power: 0 }", np.ones_like),
        ("Power", "power_param { power: 3 scale: 0 shift: 2 }", lambda x: np.full_like(x, 8)),
        ("ReLU", "relu_param { negative_slope: 0.5 }", lambda x: np.where(x > 0, x, x / 2)),
        ("ReLU", "relu_param { negative_slope: -2 }", lambda x: np.where(x > 0, x, x * -2)),
        ("Sigmoid", "", lambda x: 1 / (1 + np.exp(-x))),
        ("Swish", "swish_param { beta: 2 }", lambda x: x / (1 + np.exp(-2 * x))),
        ("TanH", "", np.tanh),
        ("Softmax", "softmax_param { axis: 2 }", lambda x: np.exp(x) / np.exp(x).sum(2, keepdims=True)),
        ("PReLU", "", lambda x: np.where(x > 0, x, x / 4)),
    ],
)
def test_formula(apply, kind, text, expected):
    np.testing.assert_allclose(apply(kind, text, X)[0], expected(X), rtol=1e-12, atol=1e-15)


def test_a_fractional_power_of_a_negative_number_is_nan(apply):
    with np.errstate(all="ignore"):
        (y,) = apply("Power", "power_param { power: 0.5 }", [-1, 4])
    np.testing.assert_array_equal(y, [math.nan, 2])


def test_threshold_is_strict(apply):
    np.testing.assert_array_equal(apply("Threshold", "threshold_param { threshold: 1 }", [0, 1, 2])[0], [0, 0, 1])


def test_prelu_slopes(apply):
    slopes = np.float32([0.5, 2, -1])
    expected = np.maximum(X, 0) + slopes.reshape(3, 1, 1) * np.minimum(X, 0)
    np.testing.assert_array_equal(apply("PReLU", "", X, blobs=[slopes])[0], expected)
    (y,) = apply("PReLU", "prelu_param { channel_shared: true }", X, blobs=[np.float32(2)])
    np.testing.assert_array_equal(y, np.maximum(X, 0) + 2 * np.minimum(X, 0))
    volume = np.stack([X, -X], axis=2)
    assert volume.shape == (*X.shape[:2], 2, *X.shape[2:])
    (y,) = apply("PReLU", "", volume, blobs=[slopes])
    np.testing.assert_array_equal(y[:, :, 0], expected)
    with pytest.raises(InvalidNetError, match="axes"):
        apply("PReLU", "", X[0, 0, 0])


def test_softmax_of_large_numbers(apply):
    np.testing.assert_array_equal(apply("Softmax", "", [[1000, 1000, -1000]])[0], [[0.5, 0.5, 0]])


def test_dropout_in_training_is_refused(apply):
    with pytest.raises(UnsupportedError, match="random"):
        apply("Dropout", "", X, phase="TRAIN")


@pytest.mark.parametrize("kind", ["Exp", "Log"])
def test_the_base_is_positive_or_minus_one(apply, kind):
    with pytest.raises(InvalidNetError, match="not positive"):
        apply(kind, f"{kind.lower()}_param {{ base: -2 }}", X)


def test_one_bottom_only(apply):
    with pytest.raises(InvalidNetError, match="takes 1 bottom"):
        apply("TanH", "", X, X)
