"""The loops of MS-CNN's and Cascade R-CNN's C++, number by number, and what to feed them."""

from __future__ import annotations

import math

import numpy as np

from tests.golden import values
from tests.nets import input_layer, layer

MEAN, STD = (0.1, 0.0, -0.1, 0.2), (0.1, 0.2, 0.3, 0.4)
NORM = "bbox_reg_param { bbox_mean: [0.1, 0, -0.1, 0.2] bbox_std: [0.1, 0.2, 0.3, 0.4] }"


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


def field_maps(images=2, classes=3):
    """Two maps for BoxOutput, moves past the bounds; that differences of scores are equal is not rare."""
    shapes = (images, classes + 4, 6, 8), (images, classes + 4, 3, 4)
    maps = [np.concatenate([2 * distinct((s[0], classes, *s[2:]), i), 0.8 * values("d", s[0], 4, *s[2:])], 1)
            for i, s in enumerate(shapes)]  # fmt: skip
    return [m.astype(np.float32) for m in maps]


FIELDS = [(20, 30, 8), (44, 36, 16)]
GROUPS = [([(20, 30), (44, 36), (30, 20)], 8), ([(60, 44)], 16)]


def group_maps(images=2):
    maps = []
    for (sizes, _), plane in zip(GROUPS, ((5, 7), (3, 4)), strict=True):
        count = images * len(sizes)
        maps.append(np.repeat(distinct((count, 1, *plane), len(sizes)), 2, axis=1))
        maps.append(0.8 * values("g", count, 4, *plane))
    return maps


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
