"""Losses of distances and margins: EuclideanLoss, ContrastiveLoss, HingeLoss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.export.elem_types import BOOL, INT64
from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.loss.base import Loss, batch_size, items, require_legacy
from caffe_bn_convert.net.dim import fixed, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class EuclideanLoss(Loss):
    """Half the mean squared distance (euclidean_loss_layer.cpp)."""

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        require_legacy(bottoms[0])
        require(volume(bottoms[0][1:]) == volume(bottoms[1][1:]), "its bottoms must have the same number of values")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Sub, ReduceSumSquare and divisions."""
        difference = e.op("Sub", *(e.flatten_to(t, 1) for t in x))
        total = e.reduce("Sum", e.op("Mul", difference, difference), [0, 1], keepdims=False)
        return [e.op("Div", e.op("Div", total, batch_size(e, x[0], 1)), e.constant(2.0, "two"))]


@dataclass(frozen=True, slots=True)
class ContrastiveLoss(Loss):
    """For pairs that are alike the squared distance, for others what the margin leaves (contrastive_loss_layer.cpp)."""

    BOTTOMS = (3, 3)

    margin: float
    legacy: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``contrastive_loss_param``."""
        p = source.contrastive_loss_param
        only(p, ())
        return cls(p.margin, p.legacy_version)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        a, b, alike = bottoms
        require_legacy(a)
        vectors = all(volume(shape[2:]) == 1 for shape in (a, b)) and volume(a[1:]) == volume(b[1:])
        require(vectors, "it takes two vectors of one length for each pair")
        require(alike[:1] == a[:1] and volume(alike[1:]) == 1, "it takes one number for each pair as third bottom")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """The margin minus the distance, squared; ``legacy_version`` the margin minus the squared distance."""
        difference = e.op("Sub", *(e.flatten_to(t, 1) for t in x[:2]))
        squared = e.reduce("Sum", e.op("Mul", difference, difference), [1], keepdims=True)
        zero, margin = e.constant(0.0, "zero"), e.constant(self.margin, "margin")
        left = e.op("Max", e.op("Sub", margin, squared if self.legacy else e.op("Sqrt", squared)), zero)
        apart = left if self.legacy else e.op("Mul", left, left)
        pairs = e.reshape(x[2].name, x[2].shape, (x[0].shape[0], 1))
        alike = e.op("Cast", e.op("Cast", pairs, to=INT64), to=BOOL)
        total = e.reduce("Sum", e.op("Where", alike, squared, apart), [0, 1], keepdims=False)
        return [e.op("Div", e.op("Div", total, batch_size(e, x[0], 1)), e.constant(2.0, "two"))]


@dataclass(frozen=True, slots=True)
class HingeLoss(Loss):
    """One class against all others (hinge_loss_layer.cpp)."""

    squared: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``hinge_loss_param``."""
        return cls(source.hinge_loss_param.norm == 2)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        require_legacy(bottoms[0])
        require(volume(bottoms[1][1:]) == 1, "it takes one label for each item")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """max(0, 1 - x) for the label's class and max(0, 1 + x) for the others."""
        flat, label = items(e, x)
        numbers = e.constant(np.arange(fixed((volume(x[0].shape[1:]),))[0])[None], "classes", np.int64)
        own = e.op("Equal", numbers, e.op("Cast", label, to=INT64))
        margin = e.op("Add", e.op("Where", own, e.op("Neg", flat), flat), e.constant(1.0, "one"))
        margin = e.op("Max", margin, e.constant(0.0, "zero"))
        if self.squared:
            margin = e.op("Mul", margin, margin)
        return [e.op("Div", e.reduce("Sum", margin, [0, 1], keepdims=False), batch_size(e, x[0], 1))]
