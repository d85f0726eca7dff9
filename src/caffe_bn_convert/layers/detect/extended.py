"""DetectionOutputExtended of OpenVINO's fork (detection_output_extended_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.detect.output import FIELDS, DetectionOutput
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class DetectionOutputExtended(DetectionOutput):
    """DetectionOutput whose rows go on with the anchor, and the column and row of its cell.

    Attributes:
        cells: anchors of a cell and columns of the map, known with the bottoms.
    """

    BOTTOMS = (3, 3)
    RESTRICTIONS = "two classes, the first is the background; shared locations as (N, rows, columns, 4·anchors)"
    WIDTH: ClassVar[int] = 10
    KNOWN: ClassVar[tuple[str, ...]] = FIELDS

    cells: tuple[int, int] = (1, 1)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``.

        Raises:
            UnsupportedError: more classes, or locations of their own for each.
        """
        p = source.detection_output_param
        if p.num_classes != 2 or not p.share_location:
            raise UnsupportedError("DetectionOutputExtended is known with num_classes: 2 and share_location only")
        # super() would need the class that slots=True replaces.
        read: Self = DetectionOutput.read.__func__(cls, source)  # type: ignore[attr-defined]
        return read

    @staticmethod
    def background_of(p: Any) -> int:  # noqa: ARG004  (the fork does not look at background_label_id)
        """The first class."""
        return 0

    def _priors(self, bottoms: Shapes) -> int:
        shape = bottoms[0]
        fits = len(shape) == 4 and fixed(shape[3:])[0] % 4 == 0
        require(fits, "its locations must be (N, rows, columns, 4·anchors)")
        return DetectionOutput._priors(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """As DetectionOutput."""
        columns, depth = fixed(x[0].shape[2:])
        known = replace(self, cells=(depth // 4, columns))
        return DetectionOutput.emit(known, e, x, w)

    def _behind(self, e: Emitter, prior: str) -> list[str]:
        anchors, columns = (e.constant(n, "cells", np.int64) for n in self.cells)
        cell = e.op("Div", prior, anchors)
        parts = [e.op("Mod", prior, anchors), e.op("Mod", cell, columns), e.op("Div", cell, columns)]
        return [e.op("Cast", part, to=FLOAT) for part in parts]
