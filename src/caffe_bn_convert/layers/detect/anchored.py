"""What the proposals of Faster R-CNN and its kin share: boxes from deltas to the anchors of every cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, require
from caffe_bn_convert.layers.detect.greedy import suppressed
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.net.dim import fixed, show, volume
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

    Boxes = tuple[tuple[float, float, float, float], ...]


def rows(boxes: Any) -> Boxes:
    """An array of boxes, to be kept in a layer.

    Raises:
        UnsupportedError: a side was rounded to 0.
    """
    if not (boxes[:, 2:] - boxes[:, :2] + 1 > 0).all():
        raise UnsupportedError("its ratios make a box without width or height, as sides are rounded to whole pixels")
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes)


def allowed_overlap(name: str, value: float) -> float:
    """A threshold of the suppression.

    Raises:
        UnsupportedError: it is negative, and boxes that are apart would suppress each other.
    """
    if not value >= 0:
        raise UnsupportedError(f"{name} {value:g} leaves one box only; it must be 0 or more")
    return value


@dataclass(frozen=True, slots=True)
class Anchored(Layer):
    """Bottoms: (1, 2·boxes, H, W) scores, of background first; (1, 4·boxes, H, W) deltas; image info: height, width, scale.

    Attributes:
        whose: the fork, for the reader.
        anchors: the corners of the boxes of a cell.
        stride: pixels from cell to cell.
        tops: how many.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (3, 3)
    TOPS: ClassVar[tuple[int, int | None]] = (1, 2)
    DELTAS: ClassVar[int] = 4
    INFO: ClassVar[tuple[str, ...]] = ("height", "width", "scale")
    TOLD: ClassVar[str] = "by its module and class"

    whose: str
    anchors: Boxes
    stride: int
    tops: int

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(self.whose, self.TOLD)

    def places(self, bottoms: Shapes) -> int:
        """How many boxes there are in all cells.

        Raises:
            InvalidNetError: the bottoms do not fit each other.
        """
        scores, deltas, info = bottoms
        count = len(self.anchors)
        n, channels, *plane = fixed(scores if len(scores) == 4 else (*scores, 1, 1, 1, 1)[:4])
        require(n == 1, f"it takes one image, not {n}")
        require(channels == 2 * count, f"{count} boxes need {2 * count} scores for a cell, not {channels}")
        wanted = (1, self.DELTAS * count, *plane)
        require(deltas == wanted, f"{count} boxes need deltas of {show(wanted)}, not {show(deltas)}")
        *first, last = self.INFO
        require(
            fixed((volume(info),))[0] >= len(self.INFO),
            f"the image info needs {', '.join(first)} and {last}; its third bottom is {show(info)}",
        )
        return count * int(np.prod(plane))

    def located(self, deltas: Tensor) -> Any:
        """The anchors' corners, (places, 4): by row, column and box."""
        _, _, height, width = fixed(deltas.shape)
        check_constant(height * width * len(self.anchors) * 4, "its anchors")
        y, x = np.mgrid[:height, :width] * self.stride
        return (np.array(self.anchors) + np.stack([x, y, x, y], -1).reshape(-1, 1, 4)).reshape(-1, 4)

    def per_place(self, e: Emitter, name: str, *sizes: int) -> str:
        """The numbers of a blob by row, column and box."""
        return str(e.op("Reshape", e.op("Transpose", name, perm=[0, 2, 3, 1]), e.ints(sizes, "shape")))

    def foreground(self, e: Emitter, scores: Tensor, *sizes: int) -> str:
        """The scores of the boxes."""
        count = len(self.anchors)
        return self.per_place(e, e.slice(scores.name, [count], [2 * count], [1]), *sizes)

    def boxes(self, e: Emitter, deltas: Tensor, info: str) -> str:
        """(places, 4): deltas applied to the anchors, clipped to the picture."""
        corners = self.located(deltas)
        size = corners[:, 2:] - corners[:, :2] + 1
        centre = corners[:, :2] + 0.5 * size
        by, growth = e.split(self.per_place(e, deltas.name, len(corners), 4), [2, 2], 1)
        middle = e.op("Add", e.op("Mul", by, e.constant(size, "sizes")), e.constant(centre, "centres"))
        half = e.op("Mul", self.sides(e, growth, e.constant(size, "sizes")), e.constant(0.5, "half"))
        near, far = e.op("Sub", middle, half), e.op("Add", middle, half)
        last = e.op("Sub", e.op("Gather", info, e.ints([1, 0], "width_height"), axis=0), e.constant(1.0, "one"))
        both = [e.op("Max", e.op("Min", end, last), e.constant(0.0, "zero")) for end in (near, far)]
        return str(e.op("Concat", *both, axis=1))

    def kept(self, e: Emitter, boxes: str, score: str, threshold: float, most: int) -> list[str]:
        """Rows (0, x1, y1, x2, y2) of the boxes that the suppression leaves, best first, and their scores, (rows, 1).

        Args:
            e: where the nodes go.
            boxes: (n, 4), corners.
            score: (n,).
            threshold: a box that overlaps a kept one by more is dropped.
            most: at most so many are kept.
        """
        # A side is far - near + 1 here: the suppression gets the corners behind the last pixel.
        beyond = e.op("Add", boxes, e.constant([0, 0, 1, 1], "beyond"))
        one, both = e.ints([0], "axes"), e.ints([0, 1], "axes")
        places = suppressed(e, e.op("Unsqueeze", beyond, one), e.op("Unsqueeze", score, both), threshold, None, most)
        score = e.op("Unsqueeze", e.op("Gather", score, places, axis=0), e.ints([1], "axes"))
        image = e.op("Sub", score, score)
        return [e.op("Concat", image, e.op("Gather", boxes, places, axis=0), axis=1), score]

    def sides(self, e: Emitter, growth: str, size: str) -> str:
        """The boxes' widths and heights, from the logarithms of their growth."""
        return str(e.op("Mul", e.op("Exp", growth), size))
