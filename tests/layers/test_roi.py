from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

# MaxRoiPool runs up to opset 21 and is done by tables from 22 on.
BOTH = (*OPSETS, 21, 22) if OPSETS[-1] > 22 else OPSETS


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("ROIPooling", "PSROIPooling"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def net(kind, rest, features, rois=(11, 5)):
    field = {"ROIPooling": "roi_pooling_param", "PSROIPooling": "psroi_pooling_param",
             "ROIAlign": "roi_align_param", "ROIWarping": "roi_warping_param"}[kind]  # fmt: skip
    text = input_layer(*features, name="map") + input_layer(*rois, name="rois")
    return text + layer(kind, "y", "map rois", rest=f"{field} {{ {rest} }}")


def regions(count, images, seed, reach):
    """Regions in steps of 1/4, so that halves occur; some are outside of the map, some are turned around."""
    random = np.random.default_rng(seed)
    corners = np.round(random.uniform(-0.3, 1.3, (count, 4)) * reach * 4) / 4
    corners[: count // 2, 2:] = corners[: count // 2, :2] + np.abs(corners[: count // 2, 2:])
    return np.concatenate([random.integers(0, images, (count, 1)), corners], axis=1).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_roi_pooling(tmp_path, seed):
    scale = (1, 0.5, 0.0625)[seed % 3]
    rest = f"pooled_h: {2 + seed} pooled_w: {7 - seed} spatial_scale: {scale}"
    inputs = {"map": values("map", 2, 3, 7, 9), "rois": regions(40, 2, seed, 9 / scale)}
    check_by_oracle(tmp_path, net("ROIPooling", rest, (2, 3, 7, 9), (40, 5)), inputs, opsets=BOTH)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (16, 3)])
def test_roi_pooling_of_small_maps(tmp_path, size):
    inputs = {"map": values("map", 1, 2, *size), "rois": regions(30, 1, 1, 16)}
    check_by_oracle(tmp_path, net("ROIPooling", "pooled_h: 2 pooled_w: 3", (1, 2, *size), (30, 5)), inputs, opsets=BOTH)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_position_sensitive_pooling(tmp_path, images, seed):
    scale, group = (1, 0.5, 0.25, 0.0625)[seed], (3, 2, 1, 4)[seed]
    rest = f"output_dim: 5 group_size: {group} spatial_scale: {scale}"
    shape = (images, 5 * group**2, 7, 9)
    inputs = {"map": values("map", *shape), "rois": regions(40, images, seed, 9 / scale)}
    check_by_oracle(tmp_path, net("PSROIPooling", rest, shape, (40, 5)), inputs, opsets=OPSETS[1:])


@pytest.mark.parametrize(
    ("kind", "rest"),
    [("ROIPooling", "pooled_h: 2 pooled_w: 3"), ("PSROIPooling", "output_dim: 2 group_size: 3 spatial_scale: 1")],
)
def test_as_many_regions_as_there_are(tmp_path, kind, rest):
    shapes = {"map": (1, 18, 7, 9), "rois": ("R", 5, 1, 1)}
    conversion = check_dynamic(tmp_path, net(kind, rest, (1, 18, 7, 9), (11, 5, 1, 1)), {"R": 6}, **shapes)
    assert shape_of(conversion, "y")[0] == "R"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("ROIPooling", "pooled_h: 2", (2, 3, 7, 9)), "needs pooled_h and pooled_w"),
        (net("ROIPooling", "pooled_h: 2 pooled_w: 2 pooled_size: 3", (2, 3, 7, 9)), 'the field "pooled_size"'),
        (net("ROIPooling", "pooled_h: 2 pooled_w: 2", (2, 3, 7)), "it takes 4-D blobs"),
        (net("ROIPooling", "pooled_h: 2 pooled_w: 2", (2, 3, 7, 9), (11, 4)), "its second bottom is 11x4"),
        (net("PSROIPooling", "output_dim: 2 group_size: 3 spatial_scale: 1", (2, 9, 7, 9)), "= 18 channels"),
        (net("PSROIPooling", "output_dim: 0 group_size: 3 spatial_scale: 1", (2, 9, 7, 9)), "must be above 0"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


def bilinear(plane, y, x, margin):
    """One sample, as Detectron's and MNC's kernels take it but for how far outside is 0."""
    height, width = plane.shape
    if (
        y < -margin
        or x < -margin
        or y > height - 1 + (1 if margin == 1 else 0.5)
        or x > width - (0 if margin == 1 else 0.5)
    ):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = plane[top, left] * (1 - (x - left)) + plane[top, right] * (x - left)
    lower = plane[bottom, left] * (1 - (x - left)) + plane[bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


@pytest.mark.parametrize("samples", [0, 1, 2, 3])
@pytest.mark.parametrize("opset", [13, 16, 21])
def test_roi_align_by_its_own_loops(tmp_path, samples, opset):
    """The average over samples, transcribed from Detectron's description in double precision."""
    scale, rois = 0.5, regions(12, 1, samples, 18)
    rest = f"pooled_h: 2 pooled_w: 3 spatial_scale: {scale} sampling_ratio: {samples}"
    inputs = {"map": values("map", 1, 3, 7, 9), "rois": rois}
    text = net("ROIAlign", rest, (1, 3, 7, 9), (12, 5))
    got = check_by_oracle(tmp_path, text, inputs, opsets=(opset,))["y"]
    for n, c, i, j in np.ndindex(*got.shape):
        left, upper, right, lower = rois[n, 1:].astype(np.float64) * scale
        high, wide = max(lower - upper, 1) / 2, max(right - left, 1) / 3
        down, across = (samples or int(np.ceil(high))), (samples or int(np.ceil(wide)))
        seen = [
            bilinear(inputs["map"][0, c].astype(np.float64), upper + (i + (a + 0.5) / down) * high,
                     left + (j + (b + 0.5) / across) * wide, 1)
            for a, b in np.ndindex(down, across)
        ]  # fmt: skip
        assert got[n, c, i, j] == pytest.approx(np.mean(seen), abs=1e-5)


@pytest.mark.parametrize("scale", [1, 0.5, 0.0625])
def test_roi_warping_by_its_own_loops(tmp_path, scale):
    """ROIWarpingForward of MNC, transcribed in double precision."""
    rois = regions(15, 2, 5, 9 / scale)
    inputs = {"map": values("map", 2, 3, 7, 9), "rois": rois}
    text = net("ROIWarping", f"pooled_h: 2 pooled_w: 4 spatial_scale: {scale}", (2, 3, 7, 9), (15, 5))
    got = check_by_oracle(tmp_path, text, inputs)["y"]
    assert (got == 0).any()
    for n, c, i, j in np.ndindex(*got.shape):
        exact = rois[n, 1:].astype(np.float64) * scale
        left, upper, right, lower = np.trunc(exact + np.copysign(0.5, exact))
        y, x = upper + i * max(lower - upper, 0) / 2, left + j * max(right - left, 0) / 4
        plane = inputs["map"][int(rois[n, 0]), c].astype(np.float64)
        assert got[n, c, i, j] == pytest.approx(bilinear(plane, y, x, 0.5), abs=1e-5)


def grown(region, ratio):
    """MS-CNN's padding of a region, in float32 as there."""
    left, upper, right, lower = region
    wide, high = (right - left + np.float32(1)) * np.float32(ratio), (lower - upper + np.float32(1)) * np.float32(ratio)
    return left - wide, upper - high, right + wide, lower + high


@pytest.mark.parametrize("scale", [1, 0.5, 0.0625])
@pytest.mark.parametrize("ratio", [0, 0.25])
def test_grid_by_its_own_loops(tmp_path, scale, ratio):
    """ROIAlignForward of Cascade R-CNN, transcribed in double precision."""
    rois = regions(15, 2, 6, 9 / scale)
    inputs = {"map": values("map", 2, 3, 7, 9), "rois": rois}
    rest = f"pooled_h: 2 pooled_w: 4 spatial_scale: {scale} pad_ratio: {ratio}"
    text = net("ROIAlign", rest, (2, 3, 7, 9), (15, 5)).replace("roi_align_param", "roi_pooling_param")
    got = check_by_oracle(tmp_path, text, inputs)["y"]
    assert got.shape == (15, 3, 3, 5)
    assert (got == 0).any()
    for n, c, i, j in np.ndindex(*got.shape):
        left, upper, right, lower = (float(v) * scale - 0.5 for v in grown(rois[n, 1:], ratio))
        plane = inputs["map"][int(rois[n, 0]), c].astype(np.float64)
        at = upper + i * (lower - upper) / 2, left + j * (right - left) / 4
        wanted = bilinear(plane, *at, 0.5) if right > left and lower > upper else 0
        assert got[n, c, i, j] == pytest.approx(wanted, abs=1e-5)
    found = cbc.convert(write_net(tmp_path, text)[0]).findings
    assert [f.what for f in found if f.code == "DIA001"] == [
        "taken for MS-CNN's and Cascade R-CNN's ROIAlign, which samples the bins' corners, by roi_pooling_param"
    ]


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_roi_pooling_of_padded_regions(tmp_path, ratio):
    """Padding is what a wider region is."""
    inputs = {"map": values("map", 2, 3, 7, 9), "rois": regions(40, 2, 3, 18)}
    rest = "pooled_h: 2 pooled_w: 3 spatial_scale: 0.5"
    text = net("ROIPooling", f"{rest} pad_ratio: {ratio}", (2, 3, 7, 9), (40, 5))
    got = check_by_oracle(tmp_path, text, inputs, opsets=BOTH)["y"]
    wider = np.array([[r[0], *grown(r[1:], ratio)] for r in inputs["rois"]], np.float32)
    plain = net("ROIPooling", rest, (2, 3, 7, 9), (40, 5))
    np.testing.assert_array_equal(got, check_by_oracle(tmp_path, plain, inputs | {"rois": wider}, opsets=BOTH)["y"])
    unpadded = check_by_oracle(tmp_path, plain, inputs, opsets=BOTH)["y"]
    assert not np.array_equal(got, unpadded)


def test_roi_align_may_be_three_layers(tmp_path):
    text = net("ROIAlign", "pooled_h: 2 pooled_w: 3", (1, 3, 7, 9))
    prototxt = write_net(tmp_path, text)[0]
    with pytest.raises(cbc.ConversionError, match="sample differently"):
        cbc.convert(prototxt)
    told = cbc.convert(prototxt, dialects={"ROIAlign": "detectron"})
    assert [f.what for f in told.findings if f.code == "DIA001"] == [
        "taken for Cambricon's ROIAlign, which averages as Detectron's does, by sampling_ratio"
    ]
    with pytest.raises(cbc.ConversionError, match="--opset 21"):
        cbc.convert(prototxt, dialects={"ROIAlign": "detectron"}, opset=22).to_onnx()
