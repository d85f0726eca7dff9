"""MS-CNN's and Cascade R-CNN's layers: the oracle, and the loops of their C++ once more, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caffe_bn_convert as cbc
from tests.golden import OPSETS, run, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

MEAN, STD = (0.1, 0.0, -0.1, 0.2), (0.1, 0.2, 0.3, 0.4)
NORM = "bbox_reg_param { bbox_mean: [0.1, 0, -0.1, 0.2] bbox_std: [0.1, 0.2, 0.3, 0.4] }"
NO_BOX = [[0, 1, 1, 10, 10]]


def iou(a, b, kind):
    """BoxIOU of MS-CNN: x, y, w, h."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = a, b
    if min(w1, h1, w2, h2) <= 0:
        return 0.0
    tlx, tly, brx, bry = max(x1, x2), max(y1, y2), min(x1 + w1, x2 + w2), min(y1 + h1, y2 + h2)
    over = 0.0 if tlx >= brx or tly >= bry else (brx - tlx) * (bry - tly)
    return over / {"IOMU": min(w1 * h1, w2 * h2), "IOFU": w1 * h1}.get(kind, w1 * h1 + w2 * h2 - over)


def jaccard(a, b, kind):
    """JaccardOverlap of Cascade R-CNN: corners."""
    if a[2] < a[0] or a[3] < a[1] or b[2] < b[0] or b[3] < b[1]:
        return 0.0
    x1, y1, x2, y2 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    inter = 0.0 if x1 > x2 or y1 >= y2 else (x2 - x1 + 1) * (y2 - y1 + 1)
    one, two = ((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b))
    return inter / {"IOMU": min(one, two), "IOFU": one}.get(kind, one + two - inter)


def survivors(boxes, overlap, threshold, kind):
    kept = [True] * len(boxes)
    for i in range(len(boxes)):
        for j in range(i + 1, len(boxes)):
            if kept[i] and kept[j] and overlap(boxes[i], boxes[j], kind) > threshold:
                kept[j] = False
    return [i for i in range(len(boxes)) if kept[i]]


def bounded(delta, norm, xyr, whr):
    b = [d * s + m for d, s, m in zip(delta, STD, MEAN, strict=True)] if norm else [float(d) for d in delta]
    for k in range(4):
        low, high = (-1 / xyr, 1 / xyr) if k < 2 else (math.log(1 / whr), math.log(whr))
        b[k] = min(high, max(low, b[k]))
    return b


class Box:
    """What box_output_layer.cpp does."""

    def __init__(self, fields, *, fg=0.5, iou=0.47, kind="IOU", before=0, after=0, smallest=15.0, norm=False):
        self.fields, self.fg, self.iou, self.kind = fields, fg, iou, kind
        self.before, self.after, self.smallest, self.norm = before, after, smallest, norm

    def text(self):
        numbers = "".join(f"field_w: {w} field_h: {h} downsample_rate: {s} " for w, h, s in self.fields)
        return (
            f'box_output_param {{ {numbers} fg_thr: {self.fg} iou_thr: {self.iou} nms_type: "{self.kind}" field_whr: 3 '
            f"field_xyr: 2 max_nms_num: {self.before} max_post_nms_num: {self.after} min_size: {self.smallest} }} "
            + (NORM if self.norm else "")
        )

    def boxes(self, bottoms, n):
        for (fw, fh, stride), x in zip(self.fields, bottoms, strict=True):
            _, channels, height, width = x.shape
            for h in range(height):
                for w in range(width):
                    cell = x[n, :, h, w].astype(np.float64)
                    score = max(cell[1 : channels - 4]) - cell[0]
                    bx, by, bw, bh = bounded(cell[channels - 4 :], self.norm, 2, 3)
                    bw, bh = fw * math.exp(bw), fh * math.exp(bh)
                    bx, by = bx * fw + (w + 0.5) * stride - bw / 2, by * fh + (h + 0.5) * stride - bh / 2
                    bx, by = max(bx, 0), max(by, 0)
                    bw, bh = min(bw, width * stride - bx), min(bh, height * stride - by)
                    if score >= self.fg and bw >= self.smallest and bh >= self.smallest:
                        yield score, (bx, by, bw, bh)

    def rows(self, bottoms):
        rows = []
        for n in range(len(bottoms[0])):
            found = list(enumerate(self.boxes(bottoms, n)))
            found.sort(key=lambda one: (one[1][0], one[0]), reverse=True)
            found = [one for _, one in found]
            found = found[: self.before] if self.before else found
            kept = survivors([b for _, b in found], iou, self.iou, self.kind)
            for score, (x, y, w, h) in [found[i] for i in kept][: self.after or None]:
                rows.append((n, x, y, x + w, y + h, score))
        return np.array(rows).reshape(-1, 6)


class Group(Box):
    """What box_group_output_layer.cpp does; ``fields`` are (sizes, stride)."""

    def text(self):
        numbers = "".join(
            f"box_group_param {{ {' '.join(f'field_w: {w} field_h: {h}' for w, h in sizes)} stride: {stride} }} "
            for sizes, stride in self.fields
        )
        return (
            f'box_group_output_param {{ {numbers} fg_thr: {self.fg} iou_thr: {self.iou} nms_type: "{self.kind}" field_whr: 3 '
            f"field_xyr: 2 max_nms_num: {self.before} max_post_nms_num: {self.after} min_size: {self.smallest} }} "
            + (NORM if self.norm else "")
        )

    def boxes(self, bottoms, n):
        for (sizes, stride), prob, delta in zip(self.fields, bottoms[::2], bottoms[1::2], strict=True):
            height, width = prob.shape[2:]
            for k, (fw, fh) in enumerate(sizes):
                for h in range(height):
                    for w in range(width):
                        item = n * len(sizes) + k
                        score = 1 - float(prob[item, 0, h, w])
                        bx, by, bw, bh = bounded(delta[item, :, h, w].astype(np.float64), self.norm, 2, 3)
                        bw, bh = fw * math.exp(bw), fh * math.exp(bh)
                        bx, by = bx * fw + (w + 0.5) * stride - bw / 2, by * fh + (h + 0.5) * stride - bh / 2
                        box = (
                            max(0, bx),
                            max(0, by),
                            min(width * stride, bx + bw - 1),
                            min(height * stride, by + bh - 1),
                        )
                        sides = (box[2] - box[0] + 1, box[3] - box[1] + 1)
                        if score >= self.fg and min(sides) >= self.smallest:
                            yield score, box

    def rows(self, bottoms):
        rows = []
        for n in range(len(bottoms[0]) // len(self.fields[0][0])):
            found = sorted(self.boxes(bottoms, n), key=lambda one: -one[0])
            found = found[: self.before] if self.before else found
            kept = survivors([b for _, b in found], jaccard, self.iou, self.kind)
            rows += [(n, *box, score) for score, box in [found[i] for i in kept][: self.after or None]]
        return np.array(rows).reshape(-1, 6)


def box_net(rule, *shapes):
    names = "abcdef"[: len(shapes)]
    kind = "BoxGroupOutput" if isinstance(rule, Group) else "BoxOutput"
    text = "".join(input_layer(*shape, name=name) for shape, name in zip(shapes, names, strict=True))
    return text + layer(kind, "p", " ".join(names), "y s", rest=rule.text())


def distinct(shape, seed):
    """Scores without equals, whose differences have no rounding."""
    count = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(count).reshape(shape) / 2 ** count.bit_length()).astype(np.float32)


def check_rows(folder, rule, bottoms, opsets=OPSETS):
    """ONNX, the oracle and the loops above must choose the same."""
    inputs = dict(zip("abcdef", bottoms, strict=False))
    got = check_by_oracle(folder, box_net(rule, *(b.shape for b in bottoms)), inputs, opsets=opsets)
    wanted = rule.rows(bottoms)
    if not len(wanted):
        np.testing.assert_array_equal(got["y"].reshape(-1, 5), NO_BOX)
        np.testing.assert_array_equal(got["s"].reshape(-1, 6), np.zeros((1, 6)))
    else:
        np.testing.assert_allclose(got["s"][..., 0, 0], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(got["y"][..., 0, 0], wanted[:, :5], rtol=1e-4, atol=1e-4)
    return wanted


def field_maps(images=2, classes=3):
    """Two maps for BoxOutput, moves past the bounds; that differences of scores are equal is not rare."""
    shapes = (images, classes + 4, 6, 8), (images, classes + 4, 3, 4)
    maps = [np.concatenate([2 * distinct((s[0], classes, *s[2:]), i), 0.8 * values("d", s[0], 4, *s[2:])], 1)
            for i, s in enumerate(shapes)]  # fmt: skip
    return [m.astype(np.float32) for m in maps]


FIELDS = [(20, 30, 8), (44, 36, 16)]


@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fg": -5, "before": 31, "norm": True},
        {"after": 4, "smallest": 5},
        {"fg": -5, "before": 40, "after": 3, "smallest": 21},
        {"fg": 0.1, "smallest": 0},
    ],
)
def test_box_output(tmp_path, kind, options):
    wanted = check_rows(tmp_path, Box(FIELDS, kind=kind, **options), field_maps())
    assert set(wanted[:, 0]) == {0, 1}
    assert len(wanted) > 4


def test_equal_scores_the_later_box_is_the_better_one(tmp_path):
    maps = field_maps(1)
    for m in maps:
        m[:, :3] = np.round(m[:, :3] * 2) / 2
    rule = Box(FIELDS, fg=-1, before=13)
    wanted = check_rows(tmp_path, rule, maps)
    assert len(set(wanted[:, 5])) < len(wanted)
    check_rows(tmp_path, Box(FIELDS, fg=-1), maps)
    check_rows(tmp_path, Box(FIELDS, fg=-1, kind="IOMU"), maps)


GROUPS = [([(20, 30), (44, 36), (30, 20)], 8), ([(60, 44)], 16)]


def group_maps(images=2):
    maps = []
    for (sizes, _), plane in zip(GROUPS, ((5, 7), (3, 4)), strict=True):
        count = images * len(sizes)
        maps.append(np.repeat(distinct((count, 1, *plane), len(sizes)), 2, axis=1))
        maps.append(0.8 * values("g", count, 4, *plane))
    return maps


@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fg": 0.1, "before": 31, "norm": True},
        {"after": 4, "smallest": 5},
        {"fg": 0.1, "before": 40, "after": 3, "smallest": 21},
        {"fg": 0.1, "smallest": 1},
        {"iou": 0.03, "smallest": 15},
    ],
)
def test_box_group_output(tmp_path, kind, options):
    wanted = check_rows(tmp_path, Group(GROUPS, kind=kind, **options), group_maps())
    assert set(wanted[:, 0]) == {0, 1}
    assert len(wanted) > 2


@pytest.mark.parametrize(
    "rule", [Box(FIELDS, fg=9), Box(FIELDS, fg=9, kind="IOMU"), Box(FIELDS, smallest=500, before=7)]
)
def test_no_box(tmp_path, rule):
    assert not len(check_rows(tmp_path, rule, field_maps()))


@pytest.mark.parametrize("rule", [Group(GROUPS, fg=9), Group(GROUPS, fg=9, kind="IOFU"), Group(GROUPS, fg=9, before=5)])
def test_no_box_of_a_group(tmp_path, rule):
    assert not len(check_rows(tmp_path, rule, group_maps()))


def test_no_box_in_one_of_two_images(tmp_path):
    maps = field_maps()
    maps[0][0, 0], maps[1][0, 0] = 9, 9
    assert set(check_rows(tmp_path, Box(FIELDS), maps)[:, 0]) == {1}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("nets")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_boxes(scratch, data):
    """Moves on a coarse grid, so that boxes touch, are equal and lie within each other."""
    pick, grid = data.draw, st.integers(-4, 4)
    group = pick(st.booleans())
    shape = (1, 4, pick(st.integers(1, 3)), pick(st.integers(1, 4)))
    count = int(np.prod(shape))
    moves = np.array(pick(st.lists(grid, min_size=count, max_size=count)), np.float32).reshape(shape) / 8
    scores = np.array(pick(st.permutations(range(1, count // 4 + 1))), np.float32).reshape(1, 1, *shape[2:]) / 32
    options = {"kind": pick(st.sampled_from(["IOU", "IOMU", "IOFU", "other"])), "iou": pick(st.sampled_from([0, 0.13, 0.47, 2])),
               "before": pick(st.integers(0, 7)), "after": pick(st.integers(0, 3)),
               "smallest": pick(st.sampled_from([0, 1.03, 3, 5])), "fg": pick(st.sampled_from([0.015, 0.1]))}  # fmt: skip
    width, height, stride = pick(st.integers(1, 9)), pick(st.integers(1, 9)), pick(st.integers(1, 4))
    if group:
        check_rows(scratch, Group([([(width, height)], stride)], **options), [1 - scores, moves], OPSETS[1:2])
    else:
        bottom = np.concatenate([0 * scores, scores, moves], axis=1)
        check_rows(scratch, Box([(width, height, stride)], **options), [bottom], OPSETS[1:2])


def moved(prior, delta, norm=True):
    """DecodeBBoxesWithPrior."""
    b = [d * s + m for d, s, m in zip(delta, STD, MEAN, strict=True)] if norm else delta
    pw, ph, cx, cy = (
        prior[2] - prior[0] + 1,
        prior[3] - prior[1] + 1,
        (prior[0] + prior[2]) / 2,
        (prior[1] + prior[3]) / 2,
    )
    tw, th = pw * math.exp(b[2]), ph * math.exp(b[3])
    tx, ty = b[0] * pw + cx - (tw - 1) / 2, b[1] * ph + cy - (th - 1) / 2
    return tx, ty, tx + tw - 1, ty + th - 1


def some_regions(count, images=1, columns=5):
    rng = np.random.default_rng(count)
    rows = np.zeros((count, columns))
    rows[:, 0], rows[:, 1:3] = rng.integers(0, images, count), rng.uniform(0, 40, (count, 2))
    rows[:, 3:5] = rows[:, 1:3] + rng.uniform(0, 60, (count, 2))
    return rows.astype(np.float32)


def decode_net(rest="", shape=(7, 8), regions=(7, 5, 1, 1)):
    text = input_layer(*shape, name="d") + input_layer(*regions, name="r")
    return text + layer("DecodeBBox", "y", "d r", rest=rest)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("regions", [(7, 5), (7, 5, 1, 1)])
def test_decode_bbox(tmp_path, norm, regions):
    rows, deltas = some_regions(7, 3), values("d", 7, 8)
    got = check_by_oracle(
        tmp_path, decode_net(NORM if norm else "", regions=regions), {"d": deltas, "r": rows.reshape(regions)}
    )["y"]
    wanted = [[r[0], *moved(r[1:].tolist(), d[4:].tolist(), norm)] for r, d in zip(rows, deltas, strict=True)]
    np.testing.assert_allclose(got, np.array(wanted)[..., None, None], rtol=1e-5, atol=1e-4)


def test_as_many_regions_as_there_are(tmp_path):
    conversion = check_dynamic(tmp_path, decode_net(NORM), {"R": 4}, d=("R", 8), r=("R", 5, 1, 1))
    assert shape_of(conversion, "y") == ["R", 5, 1, 1]


def detections(prob, deltas, regions, size, aware, least, threshold, kind, most):
    """FrcnnOutput's Forward_cpu."""
    found = []
    for c in range(1, prob.shape[1]):
        boxes = []
        for row, prior, delta in zip(prob.tolist(), regions.tolist(), deltas.tolist(), strict=True):
            first = 4 * (c if aware else 1)
            x1, y1, x2, y2 = moved(prior[1:5], delta[first : first + 4])
            if row[c] >= least:
                boxes.append((row[c], (max(0, x1), max(0, y1), min(size[1], x2), min(size[0], y2))))
        boxes.sort(key=lambda one: -one[0])
        found += [(c, *boxes[i]) for i in survivors([b for _, b in boxes], jaccard, threshold, kind)]
    if 0 < most < len(found):
        least = sorted((score for _, score, _ in found), reverse=True)[most - 1]
        found = [one for one in found if one[1] >= least]
    return np.array([[0, *[-1] * 6], *[(0, *box, label, score) for label, score, box in found]])


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize("kind", ["IOU", "IOMU", "IOFU"])
@pytest.mark.parametrize(("least", "most", "columns"), [(0.2, 0, 5), (0.1, 5, 6), (0.2, 500, 5), (2, 4, 5)])
def test_frcnn_output(tmp_path, aware, kind, least, most, columns):
    wide, regions = 16 if aware else 8, some_regions(13, columns=columns)
    prob, deltas, size = distinct((13, 4), 3), values("d", 13, wide), np.array([[70, 90]], np.float32)
    rest = f'frcnn_output_param {{ conf_thr: {least} iou_thr: 0.31 nms_type: "{kind}" max_det_num: {most} }} '
    rest += NORM.replace("}", f"cls_aware: {str(aware).lower()} }}")
    text = input_layer(13, 4, name="p") + input_layer(13, wide, name="d") + input_layer(13, columns, 1, 1, name="r")
    text += input_layer(1, 2, name="size") + layer("FrcnnOutput", "y", "p d r size", rest=rest)
    got = check_by_oracle(tmp_path, text, {"p": prob, "d": deltas, "r": regions[..., None, None], "size": size})["y"]
    wanted = detections(prob, deltas, regions, size[0].tolist(), aware, least, 0.31, kind, most)
    np.testing.assert_allclose(got[..., 0, 0], wanted, rtol=1e-4, atol=1e-4)
    assert len(wanted) > 1 or least > 1


def route_net(rest, count=9):
    text = input_layer(count, 5, 1, 1, name="r") + input_layer(count, 3, name="f")
    return text + layer("ScaleRoute", "p", "r f", "y g", rest=f"scale_route_param {{ {rest} }}")


@pytest.mark.parametrize(
    ("low", "high"), [(20, 40), (None, 35), (28, None), (None, None), (500, 900), (None, 0.5), (0.2, 0.3)]
)
def test_scale_route(tmp_path, low, high):
    rows, others = some_regions(9), values("f", 9, 3)
    rows[4, 3:] = rows[4, 1:3] - 2
    rest = (f"low_scale: {low} " if low else "") + (f"high_scale: {high}" if high else "")
    got = check_by_oracle(tmp_path, route_net(rest), {"r": rows[..., None, None], "f": others})
    scale = [
        math.sqrt((x2 - x1 + 1) * (y2 - y1 + 1)) if x2 >= x1 and y2 >= y1 else 0 for _, x1, y1, x2, y2 in rows.tolist()
    ]
    chosen = [i for i, s in enumerate(scale) if (low or 0) <= s < (high or math.inf)]
    middle = math.sqrt(low * high) if low and high else low or high or 256
    chosen = chosen or [min((abs(math.log2(s / middle)), i) for i, s in enumerate(scale) if s)[1]]
    np.testing.assert_array_equal(got["y"], rows[chosen][..., None, None])
    np.testing.assert_array_equal(got["g"], others[chosen][..., None, None])


def test_stages_behind_each_other(tmp_path):
    """What Cascade R-CNN does: proposals, regions of some scales, a box from each, boxes moved there."""
    maps = group_maps(1)
    text = "".join(input_layer(*m.shape, name=n) for m, n in zip(maps, "abcd", strict=True))
    text += layer("BoxGroupOutput", "p", "a b c d", rest=Group(GROUPS).text())
    text += layer("ScaleRoute", "small", "p", rest="scale_route_param { high_scale: 30 }")
    text += layer("ScaleRoute", "large", "p", rest="scale_route_param { low_scale: 30 }")
    text += layer("Concat", "all", "small large", rest="concat_param { axis: 0 }")
    text += layer(
        "ROIPooling",
        "r",
        "b all",
        rest="roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.125 pad_ratio: 0.25 }",
    )
    text += layer("InnerProduct", "i", "r", rest="inner_product_param { num_output: 8 }")
    text += layer("DecodeBBox", "y", "i all", rest=NORM)
    weights = {"i": [values("w", 8, 16), values("bias", 8)]}
    maps[1] = maps[1][:3]
    check_by_oracle(tmp_path, text, dict(zip("abcd", maps, strict=True)), weights)
    conversion = cbc.convert(*write_net(tmp_path, text, weights))
    assert shape_of(conversion, "y") == ["large_rows + small_rows", 5, 1, 1]
    assert conversion.verify().passed


def test_batches_of_any_size(tmp_path):
    maps = field_maps(3)
    text = box_net(Box(FIELDS), *(m.shape for m in maps))
    inputs = dict(zip("ab", maps, strict=True))
    shapes = {"a": ("N", 7, 6, 8), "b": ("N", 7, 3, 4)}
    got = run(cbc.convert(write_net(tmp_path, text)[0], shapes=shapes), inputs)
    np.testing.assert_allclose(got["s"][..., 0, 0], Box(FIELDS).rows(maps), rtol=1e-4, atol=1e-4)


ONE = Box(FIELDS[:1]).text()
TWO = Group(GROUPS[:1]).text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (input_layer(1, 7, 6, 8) + layer("BoxOutput", "y", rest=Box(FIELDS).text()), "1 bottoms need as many field_w"),
        (input_layer(1, 5, 6, 8) + layer("BoxOutput", "y", rest=ONE), "5 channels only"),
        (input_layer(1, 7, 6) + layer("BoxOutput", "y", rest=ONE), "maps of 4 axes"),
        (
            input_layer(1, 7, 6, 8) + layer("BoxOutput", "y", rest=ONE + "bbox_reg_param { bbox_mean: 1 bbox_std: 1 }"),
            "4 numbers",
        ),
        (box_net(Group(GROUPS[:1]), (3, 2, 5, 7), (3, 4, 5, 6)), "need boxes of 3x4x5x7"),
        (box_net(Group(GROUPS[:1]), (4, 2, 5, 7), (4, 4, 5, 7)), "3 fields of view"),
        (input_layer(3, 2, 5, 7) + layer("BoxGroupOutput", "y", rest=TWO), "two bottoms belong to each"),
        (decode_net("phase: TRAIN"), "TRAIN phase"),
        (decode_net(shape=(7, 4)), "8 numbers a region"),
        (decode_net(shape=(6, 8)), "6 predictions for 7 regions"),
        (decode_net(regions=(7, 6)), "regions are"),
        (decode_net().replace('bottom: "r"', 'bottom: "r" bottom: "r"'), "takes two bottoms"),
        (decode_net("bbox_reg_param { bbox_mean: [0, 0, 0, 0] bbox_std: [1, 1, 0, 1] }"), "above 0"),
        (route_net("low_scale: 9 high_scale: 5"), "at least low_scale"),
        (route_net("low_scale: 0"), "above 0"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
