"""OpenPose's layers: no output of its kernels is at hand, so the oracle and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net


def resize(rest, *shape):
    return input_layer(*shape) + layer("ImResize", "y", rest=f"imresize_param {{ {rest} }}")


@pytest.mark.parametrize(
    "rest",
    ["factor: 8", "factor: 1.5", "target_spatial_width: 21 target_spatial_height: 5", "factor: 2 start_scale: 0.5",
     "factor: 8 start_scale: 1 scale_gap: 0.3", "factor: 4 start_scale: 0.9"],
)  # fmt: skip
def test_resize(tmp_path, rest):
    wanted = check_by_oracle(tmp_path, resize(rest, 2, 3, 13, 22), {"data": values("data", 2, 3, 13, 22)})
    assert wanted["y"].shape[:2] == (1, 3)


def test_resize_keeps_a_ramp(tmp_path):
    x = np.broadcast_to(np.arange(12, dtype=np.float32), (1, 2, 7, 12))
    got = check_by_oracle(tmp_path, resize("factor: 4", 1, 2, 7, 12), {"data": x})["y"]
    np.testing.assert_allclose(got[0, 0, 3, 8:36], (np.arange(8, 36) + 0.5) / 4 - 0.5, rtol=1e-5)


def peaks(rest, *shape):
    return input_layer(*shape) + layer("Nms", "y", rest=f"nms_param {{ {rest} }}")


@pytest.mark.parametrize("shape", [(1, 4, 30, 20), (1, 4, 20, 30), (1, 3, 3, 4)])
@pytest.mark.parametrize("most", [3, 100])
def test_peaks(tmp_path, shape, most):
    text = peaks(f"threshold: 0.5 max_peaks: {most} num_parts: 3", *shape)
    wanted = check_by_oracle(tmp_path, text, {"data": values("data", *shape)})["y"]
    assert wanted.shape == (1, 3, most + 1, 3)


def test_peaks_by_hand(tmp_path):
    x = np.full((1, 2, 9, 12), -1, np.float32)
    x[0, 0, 4, 5], x[0, 0, 4, 6], x[0, 0, 6, 2], x[0, 1, 0, 3] = 3, 1, 2, 9
    got = check_by_oracle(tmp_path, peaks("threshold: 0.5 max_peaks: 2 num_parts: 2", 1, 2, 9, 12), {"data": x})["y"]
    # Rows are bounded by the width, so row 9 of 9 is row 0 of the next map, where 9 stands at x = 3.
    second = [(3 * 5 + 2 * 2 + 9 * 3) / 14, (3 * 4 + 2 * 6 + 9 * 9) / 14, 2]
    np.testing.assert_allclose(got[0, 0], [[2, 0, 0], [(3 * 5 + 6 + 2 * 2) / 6, 28 / 6, 3], second], 1e-6)
    np.testing.assert_array_equal(got[0, 1], np.zeros((3, 3)))  # a peak on the border is none


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (peaks("num_peak: 3 num_parts: 2", 1, 4, 9, 9), "num_peak is of an older layer"),
        (peaks("num_peak: 3", 1, 4, 9, 9), "images of one map"),
        (peaks("num_parts: 5", 1, 4, 9, 9), "5 maps or more"),
        (peaks("num_parts: 4", 2, 4, 9, 9), "one image"),
        (resize("factor: 0.01", 1, 3, 7, 9), "top would be 0x0"),
        (resize("factor: 2 start_scale: -1", 1, 3, 7, 9), "does not fit"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


@pytest.mark.parametrize(("rest", "most"), [("threshold: 0.3", 100), ("threshold: 0.1 num_peak: 3", 3)])
def test_peaks_of_a_single_map(tmp_path, rest, most):
    """The older layer, by loops over its cells."""
    x = values("data", 2, 1, 7, 9)
    x[0, 0, -1, -1] = 9  # the last cell: never counted
    x[1, 0, 0, 3] = 8
    got = check_by_oracle(tmp_path, peaks(rest, 2, 1, 7, 9), {"data": x})["y"]
    assert got.shape == (2, 1, most + 1, 3)
    least = 0.1 if most == 3 else 0.3
    for image, plane in zip(got[:, 0], x[:, 0], strict=True):
        framed = np.pad(plane, 1)
        wanted = [
            [j, i, plane[i, j]]
            for i, j in np.ndindex(7, 9)
            if plane[i, j] > max(least, framed[i, j + 1], framed[i + 2, j + 1], framed[i + 1, j], framed[i + 1, j + 2])
            and (i, j) != (6, 8)
        ]
        assert wanted
        assert image[0].tolist() == [len(wanted), 0, 0]
        np.testing.assert_allclose(image[1 : 1 + len(wanted)], wanted[:most], rtol=1e-6)
        np.testing.assert_array_equal(image[1 + len(wanted) :], 0)


def test_the_highest_of_each_map(tmp_path):
    x = values("data", 2, 3, 5, 7)
    x[0, 1] = 0.25
    x[0, 1, 2, 3] = x[0, 1, 4, 1] = 0.5  # the first of equals
    x[1, 0] = -1  # nothing is above 0
    text = input_layer(2, 3, 5, 7) + layer("Maximum", "y")
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    assert got.shape == (2, 3, 1, 3)
    np.testing.assert_array_equal(got[0, 1, 0], [3, 2, 0.5])
    np.testing.assert_array_equal(got[1, 0, 0], [0, 0, np.finfo(np.float32).tiny])
    for n, c in ((0, 0), (0, 2), (1, 1), (1, 2)):
        row, column = np.unravel_index(x[n, c].argmax(), (5, 7))
        np.testing.assert_array_equal(got[n, c, 0], [column, row, x[n, c].max()])


def test_a_switch_that_nobody_switches(tmp_path):
    inputs = {name: values(name, 2, 3) for name in ("data", "b", "c")}
    text = "".join(input_layer(2, 3, name=name) for name in inputs) + layer("Switch", "y", "data b c")
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, inputs)["y"], inputs["c"])


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        (peaks("", 1, 1, 9, 9), "OpenPose's older Nms, by its single map"),
        (peaks("num_peak: 4", 1, 1, 9, 9), "OpenPose's older Nms, by num_peak"),
        (input_layer(1, 2, 4, 5) + layer("Maximum", "y"), "OpenPose's Maximum, by its single bottom"),
    ],
)
def test_what_it_was_taken_for_is_told(tmp_path, text, whose):
    notes = [f.what for f in cbc.convert(write_net(tmp_path, text)[0]).findings if f.code == "DIA001"]
    assert notes == [f"taken for {whose}"]


def test_a_switch_by_its_last_bottom_is_refused(tmp_path):
    text = input_layer(2, 3) + input_layer(2, 3, name="b") + input_layer(2, 1, name="c")
    with pytest.raises(cbc.ConversionError, match="another fork's"):
        cbc.convert(write_net(tmp_path, text + layer("Switch", "y", "data b c"))[0])
