"""Accuracy (accuracy_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.loss.base import Normalization, check_labels, grouped, sum_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Dim


@dataclass(frozen=True, slots=True)
class Accuracy(Layer):
    """The share of labels that are among the ``top_k`` best; a second top has it for each class (accuracy_layer.cpp)."""

    BOTTOMS = (2, 2)
    TOPS = (1, 2)

    axis: int
    top_k: int
    ignore: int | None
    by_class: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``accuracy_param``."""
        p = source.accuracy_param
        only(p, ())
        return cls(p.axis, p.top_k, p.ignore_label if p.HasField("ignore_label") else None, source.tops == 2)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and (classes,)."""
        axis = canonical_axis(self.axis, len(bottoms[0]))
        check_labels(bottoms, axis)
        classes: Dim = bottoms[0][axis]
        require(not isinstance(classes, int) or self.top_k <= classes, f"top_k {self.top_k} exceeds {classes} classes")
        return ((), (classes,)) if self.by_class else ((),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """A label is right when fewer than ``top_k`` other classes score as much or more: ties count against it."""
        planes, labels, classes = grouped(e, x, canonical_axis(self.axis, len(x[0].shape)))
        labels, mask = Normalization("VALID", self.ignore).counted(e, labels)
        own = e.op("GatherElements", planes, labels, axis=1)
        better = e.op("Cast", e.op("GreaterOrEqual", planes, own), to=FLOAT)
        # The label's own class is as good as itself, so it is counted too.
        few = e.op("LessOrEqual", e.reduce("Sum", better, [1], keepdims=True), e.constant(float(self.top_k), "top_k"))
        right = e.op("Cast", few, to=FLOAT)
        if mask is None:
            mask = e.op("Cast", e.op("Equal", labels, labels), to=FLOAT)
        right = e.op("Mul", right, mask)
        one = e.constant(1.0, "one")
        tops = [e.op("Div", sum_of(e, right), e.op("Max", sum_of(e, mask), one))]
        if self.by_class:
            numbers = e.constant(np.arange(classes)[None, :, None], "classes", np.int64)
            member = e.op("Mul", e.op("Cast", e.op("Equal", labels, numbers), to=FLOAT), mask)
            hits = e.reduce("Sum", e.op("Mul", member, right), [0, 2], keepdims=False)
            count = e.op("Max", e.reduce("Sum", member, [0, 2], keepdims=False), one)
            tops.append(e.op("Div", hits, count))
        return tops
