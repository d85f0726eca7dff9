from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError


@pytest.mark.parametrize("kind", ["Interp", "Reorg", "Upsample_Darknet"])
def test_as_caffe(golden, kind):
    golden(kind)


IMAGE = np.arange(2 * 3 * 7 * 9, dtype=np.float64).reshape(2, 3, 7, 9)


def test_interp_hits_the_corners_and_the_grid_points(apply):
    top = apply("Interp", "interp_param { zoom_factor: 3 }", IMAGE)[0]
    assert top.shape == (2, 3, 19, 25)
    # Positions are float32 in Caffe, hence not exactly the grid points.
    np.testing.assert_allclose(top[..., ::3, ::3], IMAGE, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("height: 5 width: 4", (5, 4)),
        ("shrink_factor: 2 height: 5 width: 4", (4, 5)),
        ("shrink_factor: 2 zoom_factor: 3 height: 5 width: 4", (5, 4)),
        ("shrink_factor: 2 zoom_factor: 3", (10, 13)),
        ("zoom_factor: 2 pad_beg: -1 pad_end: -2", (7, 11)),
    ],
)
def test_interp_sizes(apply, text, size):
    assert apply("Interp", f"interp_param {{ {text} }}", IMAGE)[0].shape == (2, 3, *size)


@pytest.mark.parametrize("text", ["", "pad_beg: 1 zoom_factor: 2", "height: 3", "pad_beg: -7 zoom_factor: 2"])
def test_interp_refuses(apply, text):
    with pytest.raises(InvalidNetError):
        apply("Interp", f"interp_param {{ {text} }}", IMAGE)


def test_upsample_with_a_mask_puts_values_back(apply):
    x, mask = np.array([[[[5.0, 6.0]]]]), np.array([[[[4.0, 2.0]]]])
    top = apply("Upsample", "upsample_param { upsample_h: 2 upsample_w: 3 }", x, mask)[0]
    np.testing.assert_array_equal(top, [[[[0, 0, 6], [0, 5, 0]]]])
    with pytest.raises(InvalidNetError, match="outside"):
        apply("Upsample", "upsample_param { upsample_h: 2 upsample_w: 2 }", x, mask)


def test_upsample_with_a_mask_by_scale(apply):
    x = np.zeros((2, 3, 4, 5))
    for text, shape in (("", (8, 10)), ("scale: 2 pad_out_h: 1", (7, 10)), ("scale_h: 2 scale_w: 3", (8, 15))):
        assert apply("Upsample", f"upsample_param {{ {text} }}", x, x)[0].shape == (2, 3, *shape)


def test_reorg_there_and_back(apply):
    x = np.random.default_rng(0).standard_normal((2, 12, 6, 10))
    there = apply("Reorg", "reorg_param { stride: 2 }", x)[0]
    assert there.shape == (2, 48, 3, 5)
    with pytest.raises(InvalidNetError, match="stride"):
        apply("Reorg", "reorg_param { stride: 4 }", x)
