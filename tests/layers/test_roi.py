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
    field = {"ROIPooling": "roi_pooling_param", "PSROIPooling": "psroi_pooling_param"}[kind]
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
