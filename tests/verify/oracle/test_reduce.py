from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError

X = np.random.default_rng(17).permutation(2 * 3 * 7 * 9).reshape(2, 3, 7, 9).astype(np.float64) - 100


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("SUM", np.sum), ("MEAN", np.mean), ("ASUM", lambda x, a: abs(x).sum(a)), ("SUMSQ", lambda x, a: (x * x).sum(a))],
)
def test_reduction(apply, operation, expected):
    (y,) = apply("Reduction", f"reduction_param {{ operation: {operation} axis: -2 coeff: 2 }}", X)
    np.testing.assert_allclose(y, 2 * expected(X, (2, 3)))
    (y,) = apply("Reduction", f"reduction_param {{ operation: {operation} }}", X)
    assert np.shape(y) == ()
    np.testing.assert_allclose(y, expected(X, (0, 1, 2, 3)))


def test_arg_max_of_items(apply):
    flat = X.reshape(2, -1)
    order = np.argsort(-flat, 1)[:, :4]
    (y,) = apply("ArgMax", "argmax_param { top_k: 4 }", X)
    np.testing.assert_array_equal(y, order.reshape(2, 1, 4, 1))
    (y,) = apply("ArgMax", "argmax_param { top_k: 4 out_max_val: true }", flat)
    np.testing.assert_array_equal(y, np.stack([order, np.take_along_axis(flat, order, 1)], 1))


def test_arg_max_along_an_axis(apply):
    (y,) = apply("ArgMax", "argmax_param { axis: -2 top_k: 2 }", X)
    np.testing.assert_array_equal(y, np.argsort(-X, 2)[:, :, :2])
    (y,) = apply("ArgMax", "argmax_param { axis: 1 out_max_val: true }", X)
    np.testing.assert_array_equal(y, X.max(1, keepdims=True))


def test_of_equals_the_last_comes_first(apply):
    (y,) = apply("ArgMax", "argmax_param { top_k: 4 }", [[1, 2, 0, 2, 1]])
    np.testing.assert_array_equal(y, [[[3, 1, 4, 0]]])


@pytest.mark.parametrize("top_k", [0, 8])
def test_top_k_must_fit(apply, top_k):
    with pytest.raises(InvalidNetError):
        apply("ArgMax", f"argmax_param {{ axis: 2 top_k: {top_k} }}", X)
