"""Region proposals of Faster R-CNN and R-FCN: ``Proposal``, and ``Python`` where it is py-faster-rcnn's layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.detect.anchors import anchors
from caffe_bn_convert.layers.detect.greedy import suppressed
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.python_classes import CLASSES
from caffe_bn_convert.net.dim import Symbol, fixed, show, volume
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

    Boxes = tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Proposal(Layer):
    """Rows (image, x1, y1, x2, y2) in pixels, best first, and perhaps their scores.

    Bottoms: (1, 2·boxes, H, W) scores, of background first; (1, 4·boxes, H, W) deltas; image info: height, width, scale
    (and, in C++ forks, another scale for the width).

    Attributes:
        name: the layer's; the number of regions is known at run time only, and is a symbol of this name.
        whose: the fork, for the reader.
        anchors: the corners of the boxes of a cell.
        stride: pixels from cell to cell.
        smallest: sides below this, times the scale, do not count.
        before, after: how many are kept before and after the suppression.
        threshold: how much is too much of an overlap.
        drops: whether small boxes are dropped; otherwise their score becomes 0.
        tops: how many.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (3, 3)
    TOPS: ClassVar[tuple[int, int | None]] = (1, 2)
    RESTRICTIONS = "one image; fixed height and width; which of equal scores comes first is undefined in Caffe"

    name: str
    whose: str
    anchors: Boxes
    stride: int
    smallest: float
    before: int
    after: int
    threshold: float
    drops: bool
    tops: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``proposal_param``.

        Raises:
            UnsupportedError: it is of another fork than OpenVINO's, caffe-windows and PVANet.
        """
        p = source.proposal_param
        if not p.ratio or not p.scale:
            raise UnsupportedError("proposal_param without ratio and scale is of a fork whose rules are not known")
        only(
            p, ("feat_stride", "base_size", "min_size", "ratio", "scale", "pre_nms_topn", "post_nms_topn", "nms_thresh")
        )
        require(p.feat_stride > 0 and p.base_size > 0, "feat_stride and base_size must be above 0")
        require(all(value > 0 for value in (*p.ratio, *p.scale)), "ratio and scale must be above 0")
        boxes = _rows(anchors(p.base_size, p.ratio, p.scale))
        return cls(
            source.definition.name, "the C++ Proposal of OpenVINO's fork, caffe-windows and PVANet", boxes, p.feat_stride,
            p.min_size, p.pre_nms_topn, p.post_nms_topn, p.nms_thresh, False, source.tops,
        )  # fmt: skip

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 5), and (regions,) or (regions, 1)."""
        scores, deltas, info = bottoms
        count = len(self.anchors)
        n, channels, *plane = fixed(scores if len(scores) == 4 else (*scores, 1, 1, 1, 1)[:4])
        require(n == 1, f"it takes one image, not {n}")
        require(channels == 2 * count, f"{count} boxes need {2 * count} scores for a cell, not {channels}")
        wanted = (1, 4 * count, *plane)
        require(deltas == wanted, f"{count} boxes need deltas of {show(wanted)}, not {show(deltas)}")
        numbers = fixed((volume(info),))[0]
        require(numbers >= 3, f"the image info needs height, width and scale; its third bottom is {show(info)}")
        regions = Symbol.named(f"{self.name}_regions")
        return ((regions, 5), (regions, 1) if self.drops else (regions,))[: self.tops]

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(self.whose, "by its fields")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes from deltas, TopK, NonMaxSuppression."""
        info = e.reshape(x[2].name, x[2].shape, (volume(x[2].shape),))
        boxes = self._boxes(e, x[1], info)
        count = len(self.anchors) * fixed((volume(x[0].shape[2:]),))[0]
        foreground = e.slice(x[0].name, [len(self.anchors)], [2 * len(self.anchors)], [1])
        score = e.op("Reshape", e.op("Transpose", foreground, perm=[0, 2, 3, 1]), e.ints([count], "shape"))
        large = self._large(e, boxes, info, fixed((volume(x[2].shape),))[0])
        if self.drops:
            kept = e.op("Squeeze", e.op("NonZero", large), e.ints([0], "axes"))
            boxes, score = (e.op("Gather", value, kept, axis=0) for value in (boxes, score))
        else:
            score = e.op("Mul", score, e.op("Cast", large, to=FLOAT))
        # TopK wants no more than there are.
        most = e.op("Min", e.op("Shape", score), e.ints([min(count, self.before) or count], "pre_nms_topn"))
        score, order = e.op("TopK", score, most, outputs=2, axis=0)
        boxes = e.op("Gather", boxes, order, axis=0)
        # A side is far - near + 1 here: the suppression gets the corners behind the last pixel.
        places = suppressed(
            e, e.op("Unsqueeze", e.op("Add", boxes, e.constant([0, 0, 1, 1], "beyond")), e.ints([0], "axes")),
            e.op("Unsqueeze", score, e.ints([0, 1], "axes")), self.threshold, None, self.after,
        )  # fmt: skip
        score = e.op("Unsqueeze", e.op("Gather", score, places, axis=0), e.ints([1], "axes"))
        image = e.op("Sub", score, score)
        tops = [e.op("Concat", image, e.op("Gather", boxes, places, axis=0), axis=1)]
        return [*tops, score if self.drops else e.op("Squeeze", score, e.ints([1], "axes"))][: self.tops]

    def _boxes(self, e: Emitter, deltas: Tensor, info: str) -> str:
        """(places, 4): deltas applied to the anchors, clipped to the picture; places by row, column and box."""
        _, _, height, width = fixed(deltas.shape)
        count = len(self.anchors)
        check_constant(height * width * count * 4, "its anchors")
        moved = e.op("Transpose", deltas.name, perm=[0, 2, 3, 1])
        flat = e.op("Reshape", moved, e.ints([height * width * count, 4], "shape"))
        rows, columns = np.mgrid[:height, :width] * self.stride
        shift = np.stack([columns, rows, columns, rows], -1).reshape(-1, 1, 4)
        corners = (np.array(self.anchors) + shift).reshape(-1, 4)
        size = corners[:, 2:] - corners[:, :2] + 1
        centre = corners[:, :2] + 0.5 * size
        by, growth = e.split(flat, [2, 2], 1)
        middle = e.op("Add", e.op("Mul", by, e.constant(size, "sizes")), e.constant(centre, "centres"))
        half = e.op("Mul", e.op("Mul", e.op("Exp", growth), e.constant(size, "sizes")), e.constant(0.5, "half"))
        near, far = e.op("Sub", middle, half), e.op("Add", middle, half)
        last = e.op("Sub", e.op("Gather", info, e.ints([1, 0], "width_height"), axis=0), e.constant(1.0, "one"))
        both = [e.op("Max", e.op("Min", end, last), e.constant(0.0, "zero")) for end in (near, far)]
        return str(e.op("Concat", *both, axis=1))

    def _large(self, e: Emitter, boxes: str, info: str, numbers: int) -> str:
        """Whether both sides count, (places,)."""
        near, far = e.split(boxes, [2, 2], 1)
        side = e.op("Add", e.op("Sub", far, near), e.constant(1.0, "one"))
        scales = e.ints([3 if numbers > 3 and not self.drops else 2, 2], "scales")
        least = e.op("Mul", e.op("Gather", info, scales, axis=0), e.constant(self.smallest, "min_size"))
        enough = e.op("Cast", e.op("GreaterOrEqual", side, least), to=FLOAT)
        wide, high = e.split(enough, [1, 1], 1)
        return str(e.op("Cast", e.op("Squeeze", e.op("Mul", wide, high), e.ints([1], "axes")), to=9))


def _rows(boxes: Any) -> Boxes:
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes)


@dataclass(frozen=True, slots=True)
class Python(Proposal):
    """The Python layer that nets for deployment have: py-faster-rcnn's, with its settings for testing.

    Nothing is imported: what lib/rpn/proposal_layer.py and lib/fast_rcnn/config.py say is written down here. Others
    are in :mod:`caffe_bn_convert.layers.python_classes`.
    """

    BOTTOMS = (0, None)
    TOPS = (0, None)
    RESTRICTIONS = (
        "rpn.proposal_layer of py-faster-rcnn and R-FCN and pylayer.proposal_layer of MNC, with the settings for testing of "
        "their configuration; "
        "synopsys-caffe's shape.TensorShape, eltwise.Eltwise and reshape.Reshape; "
        "ENet's spatial_dropout.SpatialDropoutLayer; without bottoms an input"
    )

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``python_param``: a :class:`Python` or another known class, or an input where it has no bottoms.

        Raises:
            UnsupportedError: any other module.
        """
        p = source.python_param
        if not source.bottoms:
            from caffe_bn_convert.layers.inputs import DataSource

            return DataSource((None,) * source.tops)
        if (p.module, p.layer) in CLASSES:
            return CLASSES[p.module, p.layer].read(source)
        if (p.module, p.layer) not in PROPOSERS:
            raise UnsupportedError(
                f'it runs the Python class "{p.layer}" of the module "{p.module}", and nothing that a model file names is run',
                hint="--until a blob in front of it, or write a plug-in for it (docs/custom-layers.md)",
            )
        if source.phase != "TEST":
            raise UnsupportedError("ProposalLayer is known with its settings for testing only")
        whose, tops = PROPOSERS[p.module, p.layer]
        require(source.bottoms == 3 and 1 <= source.tops <= tops, f"it takes 3 bottoms and makes up to {tops} tops")
        stride, ratios, scales = _options(p.param_str)
        if whose == MNC:
            ratios, scales = RATIOS, SCALES  # whatever param_str says
        boxes = _rows(anchors(16, ratios, scales))
        return cls(
            source.definition.name, f"{whose} ProposalLayer with the settings for testing of its configuration",
            boxes, stride, 16, 6000, 300, 0.7, True, source.tops,
        )  # fmt: skip

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(self.whose, "by its module and class")


RATIOS, SCALES = [0.5, 1.0, 2.0], [8.0, 16.0, 32.0]
MNC = "MNC's"
PROPOSERS = {
    ("rpn.proposal_layer", "ProposalLayer"): ("py-faster-rcnn's", 2),
    ("pylayer.proposal_layer", "ProposalLayer"): (MNC, 1),
}
"""Module and class: whose it is, and the most tops. MNC's has no scores to give."""


def _options(text: str) -> tuple[int, list[float], list[float]]:
    """``feat_stride``, ``ratios`` (PVANet's) and ``scales`` (R-FCN's) of a ``param_str``; its YAML is only searched."""
    stride = re.search(r"feat_stride\W*:\s*(\d+)", text)
    require(stride is not None, "param_str of ProposalLayer must have feat_stride")
    ratios, scales = _numbers(text, "ratios") or RATIOS, _numbers(text, "scales") or SCALES
    return int(stride.group(1)) if stride else 0, ratios, scales


def _numbers(text: str, name: str) -> list[float]:
    """The numbers of a list; none where it is not given."""
    found = re.search(name + r"\W*:\D*\[([\d\s.,]+)\]", text)
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", found.group(1))] if found else []
