"""ScaleRoute of Cascade R-CNN (scale_route_layer.cpp): the regions of some sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.cascade.regression import numbers_a_row
from caffe_bn_convert.net.dim import Symbol, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

F32 = np.float32
LARGEST = float(np.finfo(F32).max)


@dataclass(frozen=True, slots=True)
class ScaleRoute(Layer):
    """Of each bottom the items of the regions, the first bottom, whose scale, the root of the area, is in a range.

    Where there are none, one is taken all the same: that of the region whose scale is by its factor nearest to the middle.

    Attributes:
        name: the layer's; the number of regions is known at run time only, and is a symbol of this name.
        low, high: the range; ``high`` is outside.
        middle: of the range.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, None)
    TOPS: ClassVar[tuple[int, int | None]] = (1, None)
    RESTRICTIONS = "where all regions are without area, Caffe stops"

    name: str
    low: float
    high: float
    middle: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``scale_route_param``."""
        p = source.scale_route_param
        low, high = p.HasField("low_scale"), p.HasField("high_scale")
        require(
            source.bottoms == source.tops, f"it has {source.bottoms} bottoms and {source.tops} tops: as many are needed"
        )
        require(not low or p.low_scale > 0, "low_scale must be above 0")
        require(not high or p.low_scale <= p.high_scale < LARGEST, "high_scale must be a number and at least low_scale")
        ends = [value for value, given in ((p.low_scale, low), (p.high_scale, high)) if given]
        middle = float(np.sqrt(np.prod(np.array(ends, F32)))) if len(ends) == 2 else (ends or [256.0])[0]
        require(middle > 0, "high_scale must be above 0")
        return cls(source.definition.name, p.low_scale if low else 0.0, p.high_scale if high else LARGEST, middle)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottoms' with as many items as there are such regions, of 4 axes."""
        require(
            numbers_a_row(bottoms[0]) == 5,
            f"regions are (image, x1, y1, x2, y2), its first bottom is {show(bottoms[0])}",
        )
        count = Symbol.named(f"{self.name}_rows")
        for shape in bottoms:
            require(
                shape[:1] == bottoms[0][:1], f"its bottoms {show(bottoms[0])} and {show(shape)} differ in their number"
            )
            require(len(shape) <= 4, f"it takes bottoms of up to 4 axes, not {show(shape)}")
        return tuple((count, *shape[1:], *(1,) * (4 - len(shape))) for shape in bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """NonZero and Gather."""
        rows = self._rows(e, self._scales(e, x[0]))
        tops = [e.op("Gather", t.name, rows, axis=0) for t in x]
        missing = [list(range(len(t.shape), 4)) for t in x]
        return [
            e.op("Unsqueeze", t, e.ints(axes, "axes")) if axes else t for t, axes in zip(tops, missing, strict=True)
        ]

    def _scales(self, e: Emitter, regions: Tensor) -> str:
        """The root of each region's area, (regions,); the last pixel belongs to a region."""
        one, zero = e.constant(1.0, "one"), e.constant(0.0, "zero")
        rows = e.reshape(regions.name, regions.shape, (regions.shape[0], 5))
        _, near, far = e.split(rows, [1, 2, 2], 1)
        apart = e.op("Sub", far, near)
        width, height = e.split(e.op("Add", apart, one), [1, 1], 1)
        right = e.op("GreaterOrEqual", e.reduce("Min", apart, [1], keepdims=True), zero)
        area = e.op("Where", right, e.op("Mul", width, height), zero)
        return str(e.op("Sqrt", e.op("Squeeze", area, e.ints([1], "axes"))))

    def _rows(self, e: Emitter, scale: str) -> str:
        """Which regions are taken, (taken,) of int64."""
        above = e.op("GreaterOrEqual", scale, e.constant(self.low, "low_scale"))
        inside = e.op("And", above, e.op("Less", scale, e.constant(self.high, "high_scale")))
        some = e.op("Squeeze", e.op("NonZero", inside), e.ints([0], "axes"))
        middle = e.constant(self.middle, "middle")
        # By its factor from the middle, which grows as the logarithm's size does.
        factor = e.op("Max", e.op("Div", scale, middle), e.op("Div", middle, scale))
        nearest = e.op("ArgMin", factor, axis=0, keepdims=1)
        count = e.reduce("Sum", e.op("Cast", inside, to=FLOAT), [0], keepdims=True)
        lacking = e.op("Cast", e.op("Less", count, e.constant(0.5, "half")), to=INT64)
        extra = e.op("Slice", nearest, e.ints([0], "zero"), lacking, e.ints([0], "zero"))
        return str(e.op("Concat", some, extra, axis=0))
