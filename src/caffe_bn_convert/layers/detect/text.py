"""DetectionOutput of TextBoxes++ (its detection_output_layer.cpp): SSD's boxes, with a quadrangle for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Source, require
from caffe_bn_convert.layers.detect.output import FIELDS, DetectionOutput
from caffe_bn_convert.layers.dialect import taken_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.layers.base import Shapes
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class PolygonOutput(DetectionOutput):
    """``use_polygon: true``: behind the box the four corners x1, y1, … x4, y4 of a quadrangle, clockwise from its top left.

    Only the boxes suppress each other.
    """

    BOTTOMS = (3, 3)
    NUMBERS: ClassVar[int] = 12
    WIDTH: ClassVar[int] = 15
    KNOWN: ClassVar[tuple[str, ...]] = (*FIELDS, "use_polygon")

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``.

        Raises:
            UnsupportedError: what leaves the fork's quadrangles without a value, or locations of their own for each class.
        """
        p = source.detection_output_param
        require(source.bottoms == 3, f"TextBoxes++'s takes 3 bottoms, not {source.bottoms}")
        if p.code_type != 2 or p.variance_encoded_in_target or not p.share_location:
            raise UnsupportedError(
                "TextBoxes++'s DetectionOutput draws its quadrangles with code_type: CENTER_SIZE, share_location and without "
                "variance_encoded_in_target only"
            )
        # super() would need the class that slots=True replaces.
        read: Self = DetectionOutput.read.__func__(cls, source)  # type: ignore[attr-defined]
        return read

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("TextBoxes++'s DetectionOutput", "by use_polygon")

    def _drawn(self, e: Emitter, x: Sequence[Tensor], priors: int, boxes: str) -> str:
        location = e.reshape(x[0].name, x[0].shape, (x[0].shape[0], priors, self.NUMBERS))
        moves = e.slice(location, [4], [self.NUMBERS], [2])
        prior, variance = e.split(e.reshape(x[2].name, x[2].shape, (2, priors, 4)), [1, 1], 0)
        return str(e.op("Concat", boxes, self._quadrangles(e, moves, prior, variance), axis=2))

    def _quadrangles(self, e: Emitter, moves: str, prior: str, variance: str) -> str:
        """(images, priors, 8): every corner is moved from the prior's."""
        corner = _columns(e, prior, [0, 1, 2, 1, 2, 3, 0, 3])
        return str(e.op("Add", _scaled(e, moves, prior, variance, 4), corner))


@dataclass(frozen=True, slots=True)
class SlantedOutput(PolygonOutput):
    """``use_polygon: false``: behind the box two points x1, y1, x2, y2 and a height, a slanted rectangle."""

    NUMBERS: ClassVar[int] = 9
    WIDTH: ClassVar[int] = 12

    def _quadrangles(self, e: Emitter, moves: str, prior: str, variance: str) -> str:
        """(images, priors, 5): both points are moved from the prior's centre, the height is grown from its height."""
        points, growth = e.split(moves, [4, 1], 2)
        low, high = e.split(prior, [2, 2], 2)
        centre = e.op("Div", e.op("Add", low, high), e.constant(2.0, "two"))
        moved = e.op("Add", _scaled(e, points, prior, variance, 2), e.op("Concat", centre, centre, axis=2))
        height = e.op(
            "Mul", e.op("Exp", e.op("Mul", _columns(e, variance, [3]), growth)), _columns(e, _sides(e, prior), [1])
        )
        return str(e.op("Concat", moved, height, axis=2))


def _scaled(e: Emitter, moves: str, prior: str, variance: str, points: int) -> str:
    """x and y of points times their variances and the prior's width and height."""
    weighted = e.op("Mul", _columns(e, variance, [0, 1] * points), moves)
    return str(e.op("Mul", weighted, _columns(e, _sides(e, prior), [0, 1] * points)))


def _sides(e: Emitter, prior: str) -> str:
    low, high = e.split(prior, [2, 2], 2)
    return str(e.op("Sub", high, low))


def _columns(e: Emitter, values: str, which: list[int]) -> str:
    return str(e.op("Gather", values, e.constant(which, "columns", np.int64), axis=2))
