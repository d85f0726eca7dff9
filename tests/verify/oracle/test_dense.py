from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle import dense

RANDOM = np.random.default_rng(11)
X = RANDOM.integers(-4, 5, (2, 3, 7, 9)).astype(np.float64)


@pytest.mark.parametrize("bytes_at_once", [1, 3000, 1 << 20])
@pytest.mark.parametrize("transpose", [False, True])
def test_inner_product(apply, transpose, bytes_at_once, monkeypatch):
    monkeypatch.setattr(dense, "BLOCK_BYTES", bytes_at_once)
    w, b = RANDOM.integers(-4, 5, (5, 63)), np.arange(5)
    text = f"inner_product_param {{ num_output: 5 axis: -2 transpose: {str(transpose).lower()} }}"
    (y,) = apply("InnerProduct", text, X, blobs=[w.T if transpose else w, b])
    np.testing.assert_array_equal(y, X.reshape(2, 3, 63) @ w.T + b)


def test_legacy_blobs_have_four_axes(apply):
    w, b = np.ones((1, 1, 5, 189)), np.ones((1, 1, 1, 5))
    (y,) = apply("InnerProduct", "inner_product_param { num_output: 5 }", X, blobs=[w, b])
    np.testing.assert_array_equal(y, np.tile(X.sum((1, 2, 3))[:, None] + 1, 5))


def test_embed(apply):
    w, b = RANDOM.uniform(size=(4, 5)).astype(np.float32), np.arange(5)
    text = "embed_param { num_output: 5 input_dim: 4 }"
    (y,) = apply("Embed", text, [[3, 0, 1.9]], blobs=[w, b])
    np.testing.assert_array_equal(y, w[[[3, 0, 1]]].astype(float) + b)
    with pytest.raises(InvalidNetError, match="outside"):
        apply("Embed", text, [4], blobs=[w, b])
