"""PriorBox and DetectionOutput of TextBoxes, TextBoxes++ and caffe-yolov2, beside their own loops, transcribed here."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.layers.test_detect_forks import priors
from tests.nets import input_layer, layer, write_net

MAPS = {"data": values("data", 1, 3, 112, 144), "map": values("map", 1, 4, 7, 9)}
SIZES = "min_size: 30.6 max_size: 61.2 aspect_ratio: 2 aspect_ratio: 5 flip: false variance: [0.1, 0.1, 0.2, 0.2]"


def prior_box(rest):
    text = input_layer(1, 3, 112, 144) + input_layer(1, 4, 7, 9, name="map")
    return text + layer("PriorBox", "y", "map data", rest=f"prior_box_param {{ {rest} }}")


@pytest.mark.parametrize("rest", ["", "clip: true", "step_h: 15 step_w: 14 offset: 0.25", "min_size: 44 max_size: 70"])
def test_denser_prior_boxes(tmp_path, rest):
    """Two boxes where SSD has one: Caffe's own, as TextBoxes++ gives them without the field, and the same lower down."""
    denser = check_by_oracle(tmp_path, prior_box(f"{SIZES} {rest} denser_prior_boxes: true"), MAPS)["y"]
    plain = check_by_oracle(tmp_path, prior_box(f"{SIZES} {rest}"), MAPS)["y"]
    across, down = denser[0, 0].reshape(7, 9, -1, 2, 4), plain[0, 0].reshape(7, 9, -1, 4)
    np.testing.assert_array_equal(across[..., 0, :], down)
    if "clip" not in rest:
        step, offset = (15, 0.25) if "step" in rest else (112 / 7, 0.5)
        moved = down + np.array([0, (1 - offset) * step / 112] * 2)
        np.testing.assert_allclose(across[..., 1, :], moved, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(denser[0, 1].reshape(-1, 4), np.tile(plain[0, 1, :4], (across.size // 4, 1)))


@pytest.mark.parametrize(
    "rest",
    ["", "clip: false", "clip: false step: 13", "clip: false max_size: 61.2"],
)
def test_offsets_as_opencv_reads_them(tmp_path, rest):
    """Against OpenCV 4's importer itself, whose fields they are."""
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 no longer reads Caffe")
    rest += " min_size: 30.6 aspect_ratio: 2 aspect_ratio: 5 flip: false variance: [0.1, 0.1, 0.2, 0.2]"
    text = prior_box(rest + " offset_h: 0.5 offset_w: 0.5 offset_h: 1 offset_w: 0.25")
    wanted = check_by_oracle(tmp_path, text, MAPS)["y"]
    net = cv2.dnn.readNetFromCaffe(str(write_net(tmp_path, text)[0]))
    for name, value in MAPS.items():
        net.setInput(value, name)
    np.testing.assert_allclose(wanted, net.forward("y").reshape(wanted.shape), rtol=1e-5, atol=1e-6)


def faceboxes(sizes, ratios, densities, step, offset, image, cells):
    """The loops of FaceBoxes' prior_box_layer.cpp; the numbers are such that nothing depends on a rounding."""
    boxes = []
    for row in range(cells[0]):
        for column in range(cells[1]):
            centre_x, centre_y = (column + offset) * step, (row + offset) * step
            for size, density in zip(sizes, densities, strict=True):
                shift = int(size / density)
                for ratio in ratios:
                    width, height = size * math.sqrt(ratio), size / math.sqrt(ratio)
                    for r in range(density):
                        for c in range(density):
                            x = centre_x - int(size) // 2 + shift / 2 + c * shift
                            y = centre_y - int(size) // 2 + shift / 2 + r * shift
                            boxes.append(
                                [max((x - width / 2) / image[1], 0), max((y - height / 2) / image[0], 0),
                                 min((x + width / 2) / image[1], 1), min((y + height / 2) / image[0], 1)]
                            )  # fmt: skip
    return np.array(boxes)


@pytest.mark.parametrize(
    ("rest", "ratios"),
    [
        ("", [1]),
        ("fixed_ratio: 0.5", [0.5]),
        ("aspect_ratio: 2", [1, 2, 0.5]),
        ("aspect_ratio: 2 flip: false clip: true", [1, 2]),
    ],
)
def test_densities_of_faceboxes(tmp_path, rest, ratios):
    text = prior_box(f"fixed_size: 32 fixed_size: 65 density: 4 density: 2 step: 16 offset: 0.25 variance: 0.2 {rest}")
    got = check_by_oracle(tmp_path, text, MAPS)["y"]
    wanted = faceboxes([32, 65], ratios, [4, 2], 16, 0.25, (112, 144), (7, 9))
    if "clip" in rest:
        wanted = wanted.clip(0, 1)
    assert got.shape == (1, 2, wanted.size)
    np.testing.assert_allclose(got[0, 0].reshape(-1, 4), wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(got[0, 1], np.float32(0.2))


def test_sizes_of_faceboxes_that_are_not_whole(tmp_path):
    """Where the boxes are is told by the whole pixels of a size, how large they are by the size."""
    rest = "fixed_size: 32.5 fixed_size: 65.75 density: 4 density: 2 fixed_ratio: 0.5 step: 16 offset: 0.25"
    got = check_by_oracle(tmp_path, prior_box(rest), MAPS)["y"]
    wanted = faceboxes([32.5, 65.75], [0.5], [4, 2], 16, 0.25, (112, 144), (7, 9))
    np.testing.assert_allclose(got[0, 0].reshape(-1, 4), wanted, rtol=1e-6, atol=1e-6)


HEAD = "num_classes: 3 nms_param { nms_threshold: 0.45 top_k: 40 } code_type: CENTER_SIZE keep_top_k: 20"


def text_head(numbers, rest):
    text = input_layer(2, 60 * numbers) + input_layer(2, 180, name="c") + input_layer(1, 2, 240, name="p")
    return text + layer("DetectionOutput", "y", "data c p", rest=f"detection_output_param {{ {HEAD} {rest} }}")


def text_inputs(numbers):
    scores = np.random.default_rng(2).permutation(360).reshape(2, 180) / 360
    moves = np.random.default_rng(4).normal(size=(2, 60 * numbers)) * 2
    return {"data": moves.astype(np.float32), "c": scores.astype(np.float32), "p": priors()}


def polygon(move, prior, variance):
    """DecodeBBoxPolygon of TextBoxes++, x and y in turn."""
    low, high = prior[:2], prior[2:]
    corners = [low[0], low[1], high[0], low[1], high[0], high[1], low[0], high[1]]
    return [variance[i % 2] * move[4 + i] * (high - low)[i % 2] + corners[i] for i in range(8)]


def slanted(move, prior, variance):
    """DecodeBBoxRBox of TextBoxes++."""
    low, high = prior[:2], prior[2:]
    points = [variance[i % 2] * move[4 + i] * (high - low)[i % 2] + (low + high)[i % 2] / 2 for i in range(4)]
    return [*points, math.exp(variance[3] * move[8]) * (high - low)[1]]


@pytest.mark.parametrize(("numbers", "flag", "drawn"), [(12, "true", polygon), (9, "false", slanted)])
def test_quadrangles(tmp_path, numbers, flag, drawn):
    """The boxes are SSD's with the first four numbers; behind them what the fork draws for their prior."""
    inputs = text_inputs(numbers)
    rest = f"confidence_threshold: 0.3 use_polygon: {flag}"
    rows = check_by_oracle(tmp_path, text_head(numbers, rest), inputs)["y"][0, 0]
    moves = inputs["data"].reshape(2, 60, numbers)
    plain = inputs | {"data": np.ascontiguousarray(moves[..., :4]).reshape(2, 240)}
    ssd = check_by_oracle(tmp_path, text_head(4, "confidence_threshold: 0.3"), plain)["y"][0, 0]
    assert rows.shape == (len(ssd), 3 + numbers)
    assert len(rows) > 10
    np.testing.assert_array_equal(rows[:, :7], ssd)
    box, variance = (part.reshape(60, 4).astype(np.float64) for part in inputs["p"][0])
    for (
        image,
        label,
        score,
        *_,
    ) in rows[:, :3]:
        scores = inputs["c"].reshape(2, 60, 3)[int(image), :, int(label)]
        prior = int(np.argmin(np.abs(scores - score)))
        row = rows[(rows[:, 0] == image) & (rows[:, 2] == score)][0]
        wanted = drawn(moves[int(image), prior].astype(np.float64), box[prior], variance[prior])
        np.testing.assert_allclose(row[7:], wanted, rtol=1e-5, atol=1e-6)


def test_quadrangles_of_nothing(tmp_path):
    text = text_head(12, "confidence_threshold: 2 use_polygon: true")
    rows = check_by_oracle(tmp_path, text, text_inputs(12))["y"][0, 0]
    np.testing.assert_array_equal(rows, [[0, *[-1] * 14], [1, *[-1] * 14]])


REGION = "num_classes: 4 side: 5 num_box: 2 biases: [1.08, 1.19, 3.42, 4.41]"


def region(rest, side=5, batch=1):
    return input_layer(batch, 18, side, side) + layer(
        "DetectionOutput", "y", rest=f"detection_output_param {{ {rest} }}"
    )


def region_by_hand(x, least, threshold):
    """DetectionOutputLayer::Forward_cpu and ApplyNms of caffe-yolov2 in double precision."""
    found = []
    for row, column, n in np.ndindex(5, 5, 2):
        cell = [float(v) for v in x[0, n * 9 : n * 9 + 9, row, column]]
        sigmoid = [1 / (1 + math.exp(-v)) for v in cell]
        share = np.exp(cell[5:]) / np.exp(cell[5:]).sum()
        bias = ((1.08, 1.19), (3.42, 4.41))[n]
        box = [(column + sigmoid[0]) / 5, (row + sigmoid[1]) / 5,
               math.exp(cell[2]) * bias[0] / 5, math.exp(cell[3]) * bias[1] / 5]  # fmt: skip
        if sigmoid[4] * share.max() >= least:
            found.append([0, int(share.argmax()), sigmoid[4] * share.max(), *box])
    dropped = set()
    for i, first in enumerate(found):
        later = range(i + 1, len(found)) if i not in dropped else ()
        dropped |= {j for j in later if cut_overlap(first[3:], found[j][3:]) >= threshold}
    return [row for i, row in enumerate(found) if i not in dropped]


def cut_overlap(*boxes):
    edges = [
        [max(b[0] - b[2] / 2, 0), max(b[1] - b[3] / 2, 0), min(b[0] + b[2] / 2, 1), min(b[1] + b[3] / 2, 1)]
        for b in boxes
    ]
    low, high = np.max(edges, axis=0)[:2], np.min(edges, axis=0)[2:]
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (sum((e[2] - e[0]) * (e[3] - e[1]) for e in edges) - common)


@pytest.mark.parametrize("least", [None, 0.3])
def test_regions_by_their_own_loops(tmp_path, least):
    x = 2 * values("data", 1, 18, 5, 5)
    rest = REGION + (f" confidence_threshold: {least} nms_threshold: 0.3" if least else "")
    rows = check_by_oracle(tmp_path, region(rest), {"data": x})["y"][0, 0]
    wanted = region_by_hand(x, least or 0.01, 0.3 if least else 0.45)
    assert len(wanted) > 5
    assert [row[2] for row in wanted] != sorted((row[2] for row in wanted), reverse=True)
    np.testing.assert_allclose(rows, wanted, rtol=1e-5, atol=1e-5)


def test_no_region(tmp_path):
    text = region(f"{REGION} confidence_threshold: 0.999")
    rows = check_by_oracle(tmp_path, text, {"data": values("data", 1, 18, 5, 5)})["y"]
    np.testing.assert_array_equal(rows, [[[[0, *[-1] * 6]]]])


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        (prior_box(f"{SIZES} denser_prior_boxes: true"), "TextBoxes++'s PriorBox, by denser_prior_boxes"),
        (prior_box("fixed_size: 32 density: 2"), "FaceBoxes' PriorBox, by fixed_size and density"),
        (prior_box(f"{SIZES} offset_h: 1 offset_w: 0.5"), "OpenCV's PriorBox, by offset_h and offset_w"),
        (text_head(12, "use_polygon: true"), "TextBoxes++'s DetectionOutput, by use_polygon"),
        (region(REGION), "caffe-yolov2's DetectionOutput, by its single bottom"),
    ],
)
def test_what_it_was_taken_for_is_told(tmp_path, text, whose):
    notes = [f.what for f in cbc.convert(write_net(tmp_path, text)[0]).findings if f.code == "DIA001"]
    assert notes == [f"taken for {whose}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (prior_box(f"{SIZES} offset_h: 1"), "1 offset_h but 0 offset_w"),
        (prior_box(f"{SIZES} fixed_size: 32 density: 1"), "takes fixed_size or min_size"),
        (prior_box("fixed_size: 32"), "1 fixed_size but 0 density"),
        (prior_box("fixed_size: 32 density: inf"), "density must be a whole number"),
        (prior_box("fixed_size: 32 density: 1.5"), "density must be a whole number"),
        (prior_box("fixed_size: 32 density: 2 fixed_ratio: [1, 2]"), "miscounts"),
        (prior_box("fixed_size: 32 density: 1 fixed_ratio: 1 aspect_ratio: 2"), "FaceBoxes takes either"),
        (prior_box("fixed_size: 32 density: 1 denser_prior_boxes: true"), "another fork's"),
        (prior_box(f"{SIZES} offset_h: 1 offset_w: 1 offset: 0.5"), "OpenCV takes either"),
        (prior_box(f"{SIZES} offset_h: [0, 1, 2] offset_w: [0, 1, 2]"), "miscounts"),
        (prior_box(f"{SIZES} offset_h: 1 offset_w: 1 img_size: 30"), "does not read img_size"),
        (prior_box(f"{SIZES} min_size: 40 max_size: 90 offset_h: 1 offset_w: 1"), "one min_size"),
        (text_head(12, ""), "write use_polygon: true"),
        (text_head(8, "").replace("dim: 180", "dim: 360"), "--dialect PriorBox=textboxes"),
        (text_head(12, "use_polygon: true share_location: false"), "CENTER_SIZE, share_location"),
        (text_head(4, "use_polygon: true"), r"need \[720, 180\]"),
        (region(REGION, side=6), "side is 5"),
        (region(REGION, batch=2), "one image"),
        (region(REGION + " nms_param { nms_threshold: 0.3 }"), 'the field "nms_param"'),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
