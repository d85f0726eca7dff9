from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError

X = np.arange(2.0 * 3 * 7 * 9).reshape(2, 3, 7, 9)


@pytest.mark.parametrize(
    ("text", "shape"), [("", (2, 189)), ("axis: 0", (378,)), ("axis: -2", (2, 3, 63)), ("end_axis: 2", (2, 21, 9))]
)
def test_flatten(apply, text, shape):
    np.testing.assert_array_equal(apply("Flatten", f"flatten_param {{ {text} }}", X)[0], X.reshape(shape))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("shape { dim: 0 dim: -1 }", (2, 189)),
        ("shape { dim: -1 dim: 9 }", (42, 9)),
        ("shape { dim: 0 dim: 21 } axis: 1 num_axes: 2", None),
        ("shape { dim: 0 dim: 7 } axis: 1 num_axes: 2", (2, 3, 7, 9)),
        ("shape { dim: 3 dim: 0 dim: -1 } axis: -3", None),
        ("shape { dim: 3 dim: 7 dim: 0 } axis: -4", (2, 3, 7, 9)),
        ("shape { dim: 1 } axis: -1", (2, 3, 7, 9, 1)),
        ("shape { dim: 1 dim: 1 } axis: 1 num_axes: 0", (2, 1, 1, 3, 7, 9)),
        ("shape { dim: -1 } axis: 2", (2, 3, 63)),
        ("shape { dim: -1 dim: -1 }", None),
        ("shape { dim: -2 }", None),
        ("shape { dim: 5 dim: -1 }", None),
        ("shape { dim: 0 } axis: 4", None),
        ("shape { dim: 2 } axis: 5", None),
        ("shape { dim: 2 } num_axes: 5", None),
    ],
)
def test_reshape(apply, text, shape):
    text = f"reshape_param {{ {text} }}"
    if shape is None:
        with pytest.raises(InvalidNetError):
            apply("Reshape", text, X)
    else:
        np.testing.assert_array_equal(apply("Reshape", text, X)[0], X.reshape(shape))


def test_crop(apply):
    (y,) = apply("Crop", "crop_param { offset: 1 offset: 4 }", X, np.zeros((5, 5, 6, 5)))
    np.testing.assert_array_equal(y, X[:, :, 1:, 4:])
    (y,) = apply("Crop", "crop_param { axis: -1 offset: 2 }", X, np.zeros((1, 1, 1, 5)))
    np.testing.assert_array_equal(y, X[..., 2:7])
    (y,) = apply("Crop", "crop_param { axis: 1 }", X, np.zeros((9, 2, 3, 4)))
    np.testing.assert_array_equal(y, X[:, :2, :3, :4])


@pytest.mark.parametrize("text", ["offset: 2", "offset: 0 offset: 0 offset: 0", "axis: 4"])
def test_crop_refuses(apply, text):
    with pytest.raises(InvalidNetError):
        apply("Crop", f"crop_param {{ {text} }}", X, np.zeros((2, 3, 6, 9)))


def test_tile(apply):
    (y,) = apply("Tile", "tile_param { axis: -2 tiles: 3 }", X)
    np.testing.assert_array_equal(y, np.tile(X, (1, 1, 3, 1)))
    with pytest.raises(InvalidNetError):
        apply("Tile", "", X)
