"""BoxOutput of MS-CNN (box_output_layer.cpp): each bottom is a map of boxes of one field of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.cascade.proposals import F32, Proposals, Rule, centres
from caffe_bn_convert.layers.cascade.regression import Normalisation
from caffe_bn_convert.net.dim import fixed, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Field:
    """The field of view of one map: width and height of its boxes, and from cell to cell, in pixels."""

    width: int
    height: int
    stride: int


@dataclass(frozen=True, slots=True)
class BoxOutput(Proposals):
    """A bottom is (images, classes + 4, H, W): scores, of background first, then centre and size of the cell's box.

    The score is the best class's minus background's. Of equal scores the later one is the better one, in the order of the
    bottoms, rows and columns.
    """

    RESTRICTIONS = "fixed heights and widths"

    fields: tuple[Field, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``box_output_param`` and ``bbox_reg_param``."""
        p, count = source.box_output_param, source.bottoms
        given = (len(p.field_w), len(p.field_h), len(p.downsample_rate))
        require(
            given == (count,) * 3, f"{count} bottoms need as many field_w, field_h and downsample_rate, not {given}"
        )
        require(
            min(*p.field_w, *p.field_h, *p.downsample_rate) > 0, "field_w, field_h and downsample_rate must be above 0"
        )
        rule = Rule.read(p, Normalisation.read(source.bbox_reg_param, positive=False), 0)
        fields = tuple(Field(*numbers) for numbers in zip(p.field_w, p.field_h, p.downsample_rate, strict=True))
        return cls(source.definition.name, rule, source.tops, fields)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(rows, 5, 1, 1), and (rows, 6, 1, 1)."""
        for shape in bottoms:
            require(len(shape) == 4, f"it takes maps of 4 axes, not {show(shape)}")
            agrees = shape[:2] == bottoms[0][:2]
            require(agrees, f"its bottoms differ in batch or channels: {show(bottoms[0])} and {show(shape)}")
        channels = fixed(bottoms[0][1:2])[0]
        require(channels >= 6, f"it takes background, a class and 4 numbers of a box, and has {channels} channels only")
        return self.rows()

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes of all maps, then TopK and NonMaxSuppression, or a Loop for IOMU and IOFU."""
        maps = [self._map(e, t, field) for t, field in zip(x, self.fields, strict=True)]
        boxes, scores = (
            e.op("Concat", *parts, axis=2) if len(parts) > 1 else parts[0] for parts in zip(*maps, strict=True)
        )
        boxes = e.op("Transpose", boxes, perm=[0, 2, 1])
        # Caffe sorts pairs of score and place downwards: of equal scores the greater place is first.
        last, end, back = e.ints([-1], "last"), e.ints([-(2**31)], "first"), e.ints([-1], "back")
        boxes = e.op("Slice", boxes, last, end, e.ints([1], "axis"), back)
        scores = e.op("Slice", e.op("Squeeze", scores, e.ints([1], "axes")), last, end, e.ints([1], "axis"), back)
        count = sum(height * width for height, width in (fixed(t.shape[2:]) for t in x))
        return self.chosen(e, boxes, scores, count)

    def _map(self, e: Emitter, x: Tensor, field: Field) -> tuple[str, str]:
        """(images, 4, places) corners and (images, 1, places) scores of one bottom."""
        channels, height, width = fixed(x.shape[1:])
        flat = e.reshape(x.name, x.shape, (x.shape[0], channels, height * width))
        background, classes, predicted = e.split(flat, [1, channels - 5, 4], 1)
        best = e.reduce("Max", classes, [1], keepdims=True) if channels > 6 else classes
        score = e.op("Sub", best, background)
        shift, growth = e.split(self.rule.bounded(e, predicted, (1, 4, 1)), [2, 2], 1)
        size = e.constant([[[field.width], [field.height]]], "field")
        middle = e.op("Add", e.op("Mul", shift, size), centres(e, (height, width), field.stride))
        extent = e.op("Mul", size, e.op("Exp", growth))
        near = e.op("Sub", middle, e.op("Mul", extent, e.constant(0.5, "half")))
        near = e.op("Max", near, e.constant(0.0, "zero"))
        picture = [[[float(F32(side) * F32(field.stride))] for side in (width, height)]]
        extent = e.op("Min", extent, e.op("Sub", e.constant(picture, "picture"), near))
        corners = e.op("Concat", near, e.op("Add", near, extent), axis=1)
        return corners, self.rule.masked(e, score, extent, 1)
