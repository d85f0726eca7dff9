"""BoxGroupOutput of Cascade R-CNN (box_group_output_layer.cpp): each pair of bottoms is a map of boxes of several fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.cascade.proposals import F32, Proposals, Rule, centres
from caffe_bn_convert.layers.cascade.regression import Normalisation
from caffe_bn_convert.net.dim import divide, fixed, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """The fields of view of one map: width and height of their boxes, and from cell to cell, in pixels."""

    sizes: tuple[tuple[int, int], ...]
    stride: int


@dataclass(frozen=True, slots=True)
class BoxGroupOutput(Proposals):
    """Bottoms come in pairs: (images · fields, classes, H, W) probabilities and (images · fields, 4, H, W) boxes.

    The score is what background leaves, and the last pixel belongs to a box.
    """

    RESTRICTIONS = (
        "fixed heights and widths; which of equal scores comes first is undefined in Caffe, here it is the first"
    )

    groups: tuple[Group, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``box_group_output_param`` and ``bbox_reg_param``."""
        p = source.box_group_output_param
        told = f"two bottoms belong to each box_group_param; there are {source.bottoms} and {len(p.box_group_param)}"
        require(source.bottoms == 2 * len(p.box_group_param) > 0, told)
        groups = []
        for group in p.box_group_param:
            same = len(group.field_w) == len(group.field_h) > 0
            require(same, "a box_group_param needs as many field_h as field_w, and at least one")
            require(
                min(*group.field_w, *group.field_h, group.stride) > 0, "field_w, field_h and stride must be above 0"
            )
            groups.append(Group(tuple(zip(group.field_w, group.field_h, strict=True)), group.stride))
        rule = Rule.read(p, Normalisation.read(source.bbox_reg_param), 1)
        return cls(source.definition.name, rule, source.tops, tuple(groups))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(rows, 5, 1, 1), and (rows, 6, 1, 1)."""
        images = divide(bottoms[0][0], len(self.groups[0].sizes))
        for group, likely, boxes in zip(self.groups, bottoms[::2], bottoms[1::2], strict=True):
            require(len(likely) == len(boxes) == 4, f"it takes maps of 4 axes, not {show(likely)} and {show(boxes)}")
            count = len(group.sizes)
            whole = images is not None and likely[0] == images * count
            require(whole, f"{count} fields of view need as many items an image; there are {likely[0]} in all")
            require(likely[1] == bottoms[0][1], "its bottoms of probabilities differ in the number of classes")
            wanted = (likely[0], 4, *likely[2:])
            require(boxes == wanted, f"probabilities of {show(likely)} need boxes of {show(wanted)}, not {show(boxes)}")
        return self.rows()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes of all maps, then TopK and NonMaxSuppression, or a Loop where that chooses differently."""
        maps = [self._map(e, *pair) for pair in zip(self.groups, x[::2], x[1::2], strict=True)]
        boxes, scores = (
            e.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0] for parts in zip(*maps, strict=True)
        )
        planes = [fixed(t.shape[2:]) for t in x[::2]]
        count = sum(len(g.sizes) * height * width for g, (height, width) in zip(self.groups, planes, strict=True))
        return self.chosen(e, boxes, scores, count)

    def _map(self, e: Emitter, group: Group, likely: Tensor, boxes: Tensor) -> tuple[str, str]:
        """(images, places, 4) corners and (images, places) scores of one map, places by field, row and column."""
        height, width = fixed(boxes.shape[2:])
        count, cells = len(group.sizes), height * width
        predicted = e.op("Reshape", boxes.name, e.ints([-1, count, 4, cells], "shape"))
        shift, growth = e.split(self.rule.bounded(e, predicted, (1, 1, 4, 1)), [2, 2], 2)
        size, one = e.constant(np.array(group.sizes, F32)[None, :, :, None], "fields"), e.constant(1.0, "one")
        middle = e.op("Add", e.op("Mul", shift, size), centres(e, (height, width), group.stride))
        extent = e.op("Mul", size, e.op("Exp", growth))
        near = e.op("Sub", middle, e.op("Mul", extent, e.constant(0.5, "half")))
        far = e.op("Sub", e.op("Add", near, extent), one)
        # Not the last pixel but the picture's size is the limit.
        picture = np.array([width, height], F32).reshape(1, 1, 2, 1) * F32(group.stride)
        near, far = e.op("Max", near, e.constant(0.0, "zero")), e.op("Min", far, e.constant(picture, "picture"))
        background = e.op("Reshape", e.slice(likely.name, [0], [1], [1]), e.ints([-1, count, 1, cells], "shape"))
        side = e.op("Add", e.op("Sub", far, near), one)
        score = self.rule.masked(e, e.op("Sub", one, background), side, 2)
        corners = e.op("Transpose", e.op("Concat", near, far, axis=2), perm=[0, 1, 3, 2])
        flat = e.op("Reshape", corners, e.ints([-1, count * cells, 4], "shape"))
        return flat, e.op("Reshape", score, e.ints([-1, count * cells], "shape"))
