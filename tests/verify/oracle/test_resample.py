from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError


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


def test_interp_takes_its_size_from_a_second_bottom(apply):
    like = np.zeros((1, 1, 5, 4))
    top = apply("Interp", "", IMAGE, like)[0]
    np.testing.assert_array_equal(top, apply("Interp", "interp_param { height: 5 width: 4 }", IMAGE)[0])
    with pytest.raises(InvalidNetError, match="alone"):
        apply("Interp", "interp_param { zoom_factor: 2 }", IMAGE, like)
    with pytest.raises(UnsupportedError, match="align_corners"):
        apply("Interp", "interp_param { align_corners: false height: 5 width: 4 }", IMAGE)


def test_upsample_with_a_mask_puts_values_back(apply):
    x, mask = np.array([[[[5.0, 6.0]]]]), np.array([[[[4.0, 2.0]]]])
    top = apply("Upsample", "upsample_param { upsample_h: 2 upsample_w: 3 }", x, mask)[0]
    np.testing.assert_array_equal(top, [[[[0, 0, 6], [0, 5, 0]]]])
    with pytest.raises(InvalidNetError, match="outside"):
        apply("Upsample", "upsample_param { upsample_h: 2 upsample_w: 2 }", x, mask)


def test_upsample_with_a_mask_by_scale(apply):
    x = np.zeros((2, 3, 4, 5))
    for text, shape in (("", (8, 10)), ("scale: 2 pad_out_h: true", (7, 10)), ("scale_h: 2 scale_w: 3", (8, 15))):
        assert apply("Upsample", f"upsample_param {{ {text} }}", x, x)[0].shape == (2, 3, *shape)


def test_reorg_there_and_back(apply):
    x = np.random.default_rng(0).standard_normal((2, 12, 6, 10))
    there = apply("Reorg", "reorg_param { stride: 2 }", x)[0]
    assert there.shape == (2, 48, 3, 5)
    with pytest.raises(InvalidNetError, match="stride"):
        apply("Reorg", "reorg_param { stride: 4 }", x)


RANDOM = np.random.default_rng(7)
PHOTO = RANDOM.standard_normal((2, 3, 7, 9))


@pytest.mark.parametrize("rule", ["align_corners: true", "half_pixel_centers: true", "pytorch_half_pixel: true", ""])
@pytest.mark.parametrize("size", [(4, 5), (13, 20), (1, 1)])
def test_resize_bilinear_of_a_slope_is_the_slope(apply, rule, size):
    slope = np.broadcast_to(np.arange(9.0), (1, 1, 7, 9))
    text = f'resize_bilinear_param {{ {rule} data_format: "NCHW" output_height: {size[0]} output_width: {size[1]} }}'
    top = apply("ResizeBilinear", text, slope)[0]
    index = np.arange(size[1])
    place = {
        "align_corners: true": index * (8 / max(size[1] - 1, 1)),
        "half_pixel_centers: true": (index + 0.5) * 9 / size[1] - 0.5,
        "pytorch_half_pixel: true": (index + 0.5) * 9 / size[1] - 0.5 if size[1] > 1 else np.array([-0.5]),
        "": index * (9 / size[1]),
    }[rule]
    np.testing.assert_allclose(top[0, 0], np.broadcast_to(place.clip(0, 8), size), atol=1e-5)


def test_resize_takes_nhwc_by_default_and_scales(apply):
    text = "resize_bilinear_param { scale_height: 2 output_width: 5 }"
    assert apply("ResizeBilinear", text, PHOTO)[0].shape == (2, 6, 5, 9)


def test_resize_nearest_rounds_down_or_to_the_nearest(apply):
    line = np.arange(4.0).reshape(1, 1, 1, 4)
    for rule, expected in (
        ("", [0, 0, 1, 2, 2, 3]),
        ("align_corners: true", [0, 1, 1, 2, 2, 3]),
        ("half_pixel_centers: true", [0, 1, 1, 2, 3, 3]),
        ("half_pixel_onnx: true", [0, 0, 1, 1, 2, 3]),
    ):
        text = f'resize_nearest_neighbor_param {{ data_format: "NCHW" output_width: 6 output_height: 1 {rule} }}'
        np.testing.assert_array_equal(apply("ResizeNearestNeighbor", text, line)[0][0, 0, 0], expected, err_msg=rule)


def test_resize_refuses_two_rules_and_quantised_values(apply):
    with pytest.raises(InvalidNetError, match="exclude"):
        apply("ResizeBilinear", "resize_bilinear_param { align_corners: true half_pixel_centers: true }", PHOTO)
    with pytest.raises(UnsupportedError, match="quantised"):
        apply("ResizeBilinear", "resize_bilinear_param { output_scale: 0.5 }", PHOTO)


def test_resample_nearest_by_two_repeats(apply):
    top = apply("Resample", "resample_param { type: NEAREST factor: 2 }", PHOTO)[0]
    np.testing.assert_array_equal(top, PHOTO.repeat(2, axis=2).repeat(2, axis=3))


def _resampled(plane, height, width, *, cubic, smooth):
    """FlowNet's kernel, sample by sample."""
    f, old = np.float32, plane.shape
    fy, fx = f(old[0]) / f(height), f(old[1]) / f(width)
    ax, ay = (1 / fx, 1 / fy) if smooth else (f(1), f(1))
    rx, ry = (2 if r < 1 else int(np.ceil((4 if cubic else 2) / a)) for r, a in ((fx, ax), (fy, ay)))

    def share(x):
        x = abs(x)
        if not cubic:
            return max(1 - x, 0)
        return x * x * (1.5 * x - 2.5) + 1 if x <= 1 else x * (x * (2.5 - 0.5 * x) - 4) + 2 if x < 2 else 0

    out = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        x, y = f(j) * fx + fy / 2 - f(0.5), f(i) * fy + fx / 2 - f(0.5)
        cells = [
            (share(ax * (x - column)) * share(ay * (y - row)), plane[row, column])
            for row in range(max(round(float(y)) - ry, 0), min(round(float(y)) + ry + 1, old[0]))
            for column in range(max(round(float(x)) - rx, 0), min(round(float(x)) + rx + 1, old[1]))
        ]
        total = sum(weight for weight, _ in cells)
        out[i, j] = sum(weight * value for weight, value in cells) / total if total else 0
    return out


@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize(("height", "width", "antialias"), [(11, 14, True), (4, 5, True), (4, 5, False)])
def test_resample_by_the_kernel(apply, cubic, height, width, antialias):
    kind = "CUBIC" if cubic else "LINEAR"
    text = f"resample_param {{ type: {kind} height: {height} width: {width} antialias: {str(antialias).lower()} }}"
    top = apply("Resample", text, PHOTO)[0]
    expected = _resampled(PHOTO[1, 2], height, width, cubic=cubic, smooth=antialias and height < 7)
    np.testing.assert_allclose(top[1, 2], expected, atol=1e-5)


def test_flow_warp_reads_where_the_flow_points(apply):
    flow = np.zeros((2, 2, 7, 9))
    np.testing.assert_allclose(apply("FlowWarp", "", PHOTO, flow)[0], PHOTO)
    flow[:, 0], flow[:, 1] = 0.25, -1
    top = apply("FlowWarp", "flow_warp_param { fill_value: NOT_A_NUMBER }", PHOTO, flow)[0]
    assert np.isnan(top[:, :, 0]).all()
    np.testing.assert_allclose(top[:, :, 1:, :8], 0.75 * PHOTO[:, :, :6, :8] + 0.25 * PHOTO[:, :, :6, 1:])


@pytest.mark.parametrize("kind", ["MULTIPLY", "SUBTRACT"])
def test_correlation_by_hand(apply, kind):
    other = RANDOM.standard_normal(PHOTO.shape)
    text = "kernel_size: 3 max_displacement: 4 pad: 4 stride_1: 2 stride_2: 2"
    top = apply("Correlation", f"correlation_param {{ {text} correlation_type: {kind} }}", PHOTO, other)[0]
    assert top.shape == (2, 25, 3, 4)
    a, b = (np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4))) for x in (PHOTO, other))
    y, x, (dy, dx) = 2 + 4, 6 + 4, (-4, 2)  # output cell (1, 3), channel 3
    one, two = a[1, :, y : y + 3, x : x + 3], b[1, :, y + dy : y + dy + 3, x + dx : x + dx + 3]
    expected = (np.abs(one - two) if kind == "SUBTRACT" else one * two).mean()
    np.testing.assert_allclose(top[1, 3, 1, 3], expected)


def test_spatial_transformer(apply):
    identity = np.tile([1.0, 0, 0, 0, 1, 0], (2, 1))
    np.testing.assert_allclose(apply("SpatialTransformer", "", PHOTO, identity)[0], PHOTO, atol=1e-12)
    text = "st_param { theta_1_1: 1 theta_1_2: 0 theta_2_1: 0 theta_2_2: 1 output_H: 4 output_W: 3 }"
    shift = np.tile([2 / 7, 0.0], (2, 1))  # one row down
    top = apply("SpatialTransformer", text, PHOTO, shift)[0]
    assert top.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(top[:, :, 0, :], PHOTO[:, :, 1, ::3], atol=1e-6)
    with pytest.raises(UnsupportedError):
        apply("SpatialTransformer", "st_param { de_transform: true }", PHOTO, shift)
