"""What losses share: the scalar top, labels, normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Shape, fixed, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Normalization:
    """What a sum of losses is divided by (``loss_param``).

    Attributes:
        mode: FULL, VALID, BATCH_SIZE or NONE.
        ignore: the label that does not count.
    """

    mode: str
    ignore: int | None

    @classmethod
    def read(cls, p: Any, otherwise: str) -> Self:
        """Reads a ``LossParameter``; ``normalize`` is the older way to say VALID or BATCH_SIZE."""
        only(p, ())
        mode = otherwise
        if p.HasField("normalization"):
            names = {0: "FULL", 1: "VALID", 2: "BATCH_SIZE", 3: "NONE"}
            if p.normalization not in names:
                raise UnsupportedError("PRE_FIXED normalization belongs to a fork")
            mode = names[p.normalization]
        elif p.HasField("normalize"):
            mode = "VALID" if p.normalize else "BATCH_SIZE"
        return cls(mode, p.ignore_label if p.HasField("ignore_label") else None)

    def counted(self, e: Emitter, labels: str) -> tuple[str, str | None]:
        """Integer labels from float ones, 0 where they are ignored, and (as a float mask) which of them count."""
        whole = e.op("Cast", labels, to=INT64)
        if self.ignore is None:
            return whole, None
        ignored = e.op("Equal", whole, e.constant(self.ignore, "ignore_label", np.int64))
        whole = e.op("Where", ignored, e.constant(0, "zero", np.int64), whole)
        return whole, e.op("Cast", e.op("Not", ignored), to=FLOAT)

    def divide(self, e: Emitter, losses: str, mask: str | None, like: Tensor, axis: int) -> str:
        """The sum of ``losses`` that count, divided.

        Args:
            e: where the nodes go.
            losses: one loss for every label, with as many axes as ``mask``, 3.
            mask: which of them count; None for all.
            like: a value that has all labels' axes; the batch is those before ``axis``.
            axis: see ``like``.
        """
        total = sum_of(e, losses if mask is None else e.op("Mul", losses, mask))
        if self.mode == "NONE":
            return total
        if self.mode == "VALID" and mask is not None:
            count = e.op("Max", sum_of(e, mask), e.constant(1.0, "one"))
        elif self.mode == "BATCH_SIZE":
            count = batch_size(e, like, axis)
        else:
            count = e.op("Cast", e.op("Size", losses), to=FLOAT)
        return str(e.op("Div", total, count))


def sum_of(e: Emitter, x: str) -> str:
    """The sum over all of three axes, a scalar."""
    return e.reduce("Sum", x, [0, 1, 2], keepdims=False)


def batch_size(e: Emitter, x: Tensor, axes: int) -> str:
    """The volume of the first axes, as a float scalar."""
    dims = volume(x.shape[:axes])
    if isinstance(dims, int):
        return e.constant(float(dims), "count")
    sizes = e.slice(e.op("Shape", x.name), [0], [axes], [0])
    return str(e.op("Cast", e.reduce("Prod", sizes, [0], keepdims=False), to=FLOAT))


def log_of(e: Emitter, x: str, least: float) -> str:
    """The logarithm of ``x``, or of ``least`` where that is more."""
    return str(e.op("Log", e.op("Max", x, e.constant(least, "least"))))


def planes_of(x: Shape, axis: int) -> Shape:
    """(outer, classes, inner) around the axis of the classes."""
    return volume(x[:axis]), x[axis], volume(x[axis + 1 :])


def grouped(e: Emitter, x: Sequence[Tensor], axis: int) -> tuple[str, str, int]:
    """Predictions (outer, classes, inner), labels (outer, 1, inner), and the number of classes."""
    outer, classes, inner = planes_of(x[0].shape, axis)
    planes = e.reshape(x[0].name, x[0].shape, (outer, classes, inner))
    return planes, e.reshape(x[1].name, x[1].shape, (outer, 1, inner)), fixed((classes,))[0]


def check_labels(bottoms: Shapes, axis: int) -> None:
    """Refuse bottoms that have not one label (second bottom) for each prediction (first)."""
    outer, _, inner = planes_of(bottoms[0], axis)
    require(
        volume(bottoms[1]) == outer * inner, f"there are {volume(bottoms[1])} labels for {outer * inner} predictions"
    )


def items(e: Emitter, x: Sequence[Tensor]) -> tuple[str, str]:
    """Predictions (batch, classes) and labels (batch, 1)."""
    n, label = x[0].shape[0], x[1]
    return e.flatten_to(x[0], 1), e.reshape(label.name, label.shape, (n, 1))


@dataclass(frozen=True, slots=True)
class Loss(Layer):
    """What all losses share: the top is a scalar, and the bottoms have the same batch size."""

    BOTTOMS = (2, 2)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        require(all(len(shape) > 0 for shape in bottoms[:2]), "its bottoms must have a batch axis")
        require(
            bottoms[0][0] == bottoms[1][0], f"the batches of its bottoms differ: {bottoms[0][0]} and {bottoms[1][0]}"
        )
        return ((),)


def require_legacy(shape: Shape) -> None:
    """Caffe reads such a loss's batch size by ``Blob::num()``, which ``LegacyShape`` refuses past four axes."""
    require(len(shape) <= 4, f"it takes blobs of at most 4 axes, its first bottom has {len(shape)}")
