"""Cross entropies: SoftmaxWithLoss, InfogainLoss, MultinomialLogisticLoss, SigmoidCrossEntropyLoss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.loss.base import (
    Loss,
    Normalization,
    batch_size,
    check_labels,
    grouped,
    items,
    log_of,
    require_legacy,
)
from caffe_bn_convert.net.dim import show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

# Least arguments of the logarithm: FLT_MIN in SoftmaxWithLoss, kLOG_THRESHOLD elsewhere.
FLT_MIN = float(np.finfo(np.float32).tiny)
LOG_THRESHOLD = 1e-20


@dataclass(frozen=True, slots=True)
class SoftmaxWithLoss(Loss):
    """Cross entropy of the softmax (softmax_loss_layer.cpp). A second top always fails a check in Caffe."""

    RESTRICTIONS = "labels must be classes: Caffe reads beyond its memory otherwise"

    axis: int
    by: Normalization

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``softmax_param`` and ``loss_param``."""
        only(source.softmax_param, ())
        return cls(source.softmax_param.axis, Normalization.read(source.loss_param, "VALID"))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        check_labels(bottoms, canonical_axis(self.axis, len(bottoms[0])))
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Softmax, GatherElements of the label's class, Log and a sum."""
        axis = canonical_axis(self.axis, len(x[0].shape))
        planes, labels, _ = grouped(e, x, axis)
        labels, mask = self.by.counted(e, labels)
        chosen = e.op("GatherElements", e.op("Softmax", planes, axis=1), labels, axis=1)
        return [self.by.divide(e, e.op("Neg", log_of(e, chosen, FLT_MIN)), mask, x[0], axis)]


@dataclass(frozen=True, slots=True)
class InfogainLoss(Loss):
    """Cross entropy weighted by a matrix, of logits (infogain_loss_layer.cpp)."""

    BOTTOMS = (2, 3)
    RESTRICTIONS = "the matrix must be the third bottom; no file is opened"

    axis: int
    by: Normalization

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``infogain_loss_param`` and ``loss_param``."""
        if source.bottoms < 3:
            raise UnsupportedError(
                "its matrix is in a file that the prototxt names, and files that a prototxt names are not opened",
                hint="feed the matrix as a third bottom of shape 1x1xCxC",
            )
        return cls(source.infogain_loss_param.axis, Normalization.read(source.loss_param, "VALID"))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        axis = canonical_axis(self.axis, len(bottoms[0]))
        check_labels(bottoms, axis)
        classes = bottoms[0][axis]
        wanted = (1, 1, classes, classes)
        require((*(1,) * (4 - len(bottoms[2])), *bottoms[2]) == wanted, f"the matrix must be {show(wanted)}")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """The rows of the matrix that the labels name, times the logarithms."""
        axis = canonical_axis(self.axis, len(x[0].shape))
        planes, labels, classes = grouped(e, x, axis)
        labels, mask = self.by.counted(e, labels)
        matrix = e.reshape(x[2].name, x[2].shape, (classes, classes))
        rows = e.op("Gather", matrix, e.op("Squeeze", labels, e.ints([1], "axes")), axis=0)
        weights = e.op("Transpose", rows, perm=[0, 2, 1])
        terms = e.op("Mul", weights, log_of(e, e.op("Softmax", planes, axis=1), LOG_THRESHOLD))
        losses = e.op("Neg", e.reduce("Sum", terms, [1], keepdims=True))
        return [self.by.divide(e, losses, mask, x[0], axis)]


@dataclass(frozen=True, slots=True)
class MultinomialLogisticLoss(Loss):
    """Cross entropy of probabilities (multinomial_logistic_loss_layer.cpp)."""

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        require_legacy(bottoms[0])
        require(volume(bottoms[1][1:]) == 1, "it takes one label for each item")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """GatherElements of the label's probability, Log and a sum."""
        flat, label = items(e, x)
        chosen = e.op("GatherElements", flat, e.op("Cast", label, to=INT64), axis=1)
        total = e.reduce("Sum", e.op("Neg", log_of(e, chosen, LOG_THRESHOLD)), [0, 1], keepdims=False)
        return [e.op("Div", total, batch_size(e, x[0], 1))]


@dataclass(frozen=True, slots=True)
class SigmoidCrossEntropyLoss(Loss):
    """Cross entropy of the sigmoid, element by element (sigmoid_cross_entropy_loss_layer.cpp)."""

    by: Normalization

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``loss_param``; unlike SoftmaxWithLoss it divides by the batch size unless told otherwise."""
        return cls(Normalization.read(source.loss_param, "BATCH_SIZE"))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        require(volume(bottoms[0]) == volume(bottoms[1]), "it takes as many targets as predictions")
        return Loss.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """max(x, 0) - x·t + log(1 + exp(-|x|)), which is Caffe's form and does not overflow."""
        value, target = (e.op("Unsqueeze", e.flatten_to(t, 1), e.ints([2], "axes")) for t in x)
        _, mask = self.by.counted(e, target)
        tail = e.op("Log", e.op("Add", e.constant(1.0, "one"), e.op("Exp", e.op("Neg", e.op("Abs", value)))))
        linear = e.op("Sub", e.op("Max", value, e.constant(0.0, "zero")), e.op("Mul", value, target))
        return [self.by.divide(e, e.op("Add", linear, tail), mask, x[0], 1)]
