"""PriorBox of synopsys-caffe: SSD's boxes (which Caffe itself gives) in another order, and the few that are its own."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.layers.test_detect_dialects import MAPS, prior_box
from tests.layers.test_detect_forks import CLUSTERED, clustered
from tests.nets import input_layer, layer, write_net

SIZES = "min_size: 30.6 min_size: 60.9 max_size: 61.2 max_size: 90 variance: [0.1, 0.1, 0.2, 0.2] step: 13"


def made(folder, rest, maps=MAPS):
    """Boxes by cell (7, 9, boxes, 4), and the variances."""
    got = check_by_oracle(folder, prior_box(rest), maps)["y"]
    return got[0, 0].reshape(7, 9, -1, 4), got[0, 1].reshape(7, 9, -1, 4)


def test_y_first(tmp_path):
    """The boxes' corners are swapped, their variances are not."""
    boxes, variances = made(tmp_path, f"{SIZES} aspect_ratio: 2 yx_order: true clip: true")
    wanted, same = made(tmp_path, f"{SIZES} aspect_ratio: 2 clip: true")
    np.testing.assert_array_equal(boxes, wanted[..., [1, 0, 3, 2]])
    np.testing.assert_array_equal(variances, same)


@pytest.mark.parametrize(
    ("flag", "order"),
    [
        # SSD: square, mean, 2, 1/2, 3, 1/3
        ("tf", [0, 2, 3, 4, 5, 1]),
        ("keras", [1, 0, 2, 4, 3, 5]),
    ],
)
def test_orders(tmp_path, flag, order):
    rest = f"{SIZES} aspect_ratio: 2 aspect_ratio: 3"
    boxes = made(tmp_path, f"{rest} {flag}: true")[0].reshape(7, 9, 2, 6, 4)
    wanted = made(tmp_path, rest)[0].reshape(7, 9, 2, 6, 4)[..., order, :].copy()
    if flag == "tf":
        # The square of 60 pixels is smaller by a twentieth of the picture on all sides.
        wanted[:, :, 1, 0] += np.float32([0.05, 0.05, -0.05, -0.05])
    np.testing.assert_allclose(boxes, wanted, rtol=1e-6, atol=1e-7)


def test_keras_has_no_smaller_square(tmp_path):
    """Whatever tf says."""
    boxes = made(tmp_path, f"{SIZES} aspect_ratio: 2 tf: true keras: true")[0]
    np.testing.assert_array_equal(boxes, made(tmp_path, f"{SIZES} aspect_ratio: 2 keras: true")[0])


def test_keras_skips_inverses_that_are_there(tmp_path):
    boxes = made(tmp_path, "min_size: 30 aspect_ratio: 2 aspect_ratio: 0.5 keras: true")[0]
    np.testing.assert_array_equal(boxes, made(tmp_path, "min_size: 30 aspect_ratio: 2")[0])


def test_given_sides(tmp_path):
    """They are what OpenVINO's PriorBoxClustered has, whatever min_size says, and are not cut."""
    rest = "box_width: 9.4 box_width: 25.1 box_height: 15 box_height: 39.6 offset: 0.25"
    got = check_by_oracle(tmp_path, prior_box(f"{rest} min_size: 8"), MAPS)["y"]
    clusters = clustered("width: 9.4 width: 25.1 height: 15 height: 39.6 offset: 0.25")
    np.testing.assert_array_equal(got, check_by_oracle(tmp_path, clusters, CLUSTERED)["y"])


def test_faces(tmp_path):
    """Its own loops, in double precision."""
    text = input_layer(1, 3, 96, 160) + input_layer(1, 4, 3, 5, name="map")
    text += layer("PriorBox", "y", "map data", rest="prior_box_param { min_size: [32, 64, 128] faceboxes: true }")
    maps = {"data": values("data", 1, 3, 96, 160), "map": values("map", 1, 4, 3, 5)}
    wanted = []
    for h in range(3):
        for w in range(5):
            x, y = (w + 0.5) * 32, (h + 0.5) * 32
            for half, by, reach in ((15.5, 8, 2), (31.5, 16, 1)):
                for i, j in np.ndindex(2 * reach, 2 * reach):
                    left, top = x + (j - reach) * by, y + (i - reach) * by
                    wanted.append([left - half, top - half, left + half, top + half])
            wanted.append([x - 63.5, y - 63.5, x + 63.5, y + 63.5])
    got = check_by_oracle(tmp_path, text, maps)["y"]
    np.testing.assert_allclose(got[0, 0].reshape(-1, 4), np.array(wanted) / [160, 96, 160, 96], rtol=1e-6)


def test_it_is_told(tmp_path):
    conversion = cbc.convert(write_net(tmp_path, prior_box(f"{SIZES} tf: true yx_order: true"))[0])
    told = [f.what for f in conversion.findings if f.code == "DIA001"]
    assert told == ["taken for synopsys-caffe's PriorBox, by tf and yx_order"]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("box_width: 3", "1 box_width but 0 box_height"),
        ("box_width: 3 box_height: 0", "must be above 0"),
        ("tf: true", "needs min_size"),
        (f"{SIZES} tf: true denser_prior_boxes: true", "another fork's"),
        ("fixed_size: 32 density: 1 yx_order: true", "another fork's"),
        ("faceboxes: true min_size: 32", "writes 16 boxes into a cell, but has room for 1"),
        (f"{SIZES} faceboxes: true", "min_size alone"),
        (f"{SIZES} reduce_boxes: true", 'the field "reduce_boxes"'),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, prior_box(rest))[0])
