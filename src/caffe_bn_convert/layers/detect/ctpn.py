"""CTPN's Python layer that proposes pieces of lines of text (src/layers/text_proposal_layer.py, src/anchor.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from caffe_bn_convert.layers.detect.anchored import Anchored
from caffe_bn_convert.layers.detect.proposers import for_testing, whole_number
from caffe_bn_convert.net.dim import volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.layers.base import Shapes, Source

HEIGHTS = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)


@dataclass(frozen=True, slots=True)
class TextProposal(Anchored):
    """A box of every anchor of every cell, x1, y1, x2, y2, and its score; none is sorted out or suppressed here.

    Deltas are (1, 2·boxes, H, W): how far up or down, and the logarithm of the growth; the width is the cell's.
    """

    DELTAS: ClassVar[int] = 2
    INFO: ClassVar[tuple[str, ...]] = ("height", "width")

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``.

        Raises:
            InvalidNetError: it has other bottoms and tops.
        """
        stride = whole_number(for_testing(source, 2), "feat_stride")
        return cls("CTPN's ProposalLayer", tuple(_anchor(height) for height in HEIGHTS), stride, source.tops)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(places, 4) and (places, 1)."""
        places = self.places(bottoms)
        return ((places, 4), (places, 1))[: self.tops]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes from deltas, clipped to the picture."""
        corners = self.located(x[1])
        info = e.reshape(x[2].name, x[2].shape, (volume(x[2].shape),))
        high = corners[:, 3:] - corners[:, 1:2] + 1
        by, growth = e.split(self.per_place(e, x[1].name, len(corners), 2), [1, 1], 1)
        height = self.sides(e, growth, e.constant(high, "heights"))
        centre = e.constant((corners[:, 1:2] + corners[:, 3:]) / 2, "centres")
        middle = e.op("Add", e.op("Mul", by, e.constant(high, "heights")), centre)
        top = e.op("Sub", middle, e.op("Mul", height, e.constant(0.5, "half")))
        left, right = (e.constant(corners[:, column], "x") for column in ([0], [2]))
        box = e.op("Concat", left, top, right, e.op("Add", top, height), axis=1)
        last = e.op("Sub", e.op("Gather", info, e.ints([1, 0, 1, 0], "width_height"), axis=0), e.constant(1.0, "one"))
        box = e.op("Max", e.op("Min", box, last), e.constant(0.0, "zero"))
        return [box, self.foreground(e, x[0], len(corners), 1)][: self.tops]


def _anchor(height: int) -> tuple[float, float, float, float]:
    """Corners around the middle of a cell of 16 pixels; all arithmetic is of whole numbers, which are cut off at 0."""
    middle, half = 7.5, height // 2
    return 0.0, float(int(middle - half)), 15.0, float(int(middle + half))
