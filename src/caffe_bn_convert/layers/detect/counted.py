"""``Proposal`` of synopsys-caffe (its proposal_layer.cpp), which is told how many scales and ratios there are, not which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caffe_bn_convert.export.elem_types import BOOL, FLOAT, INT64
from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.detect.anchored import Anchored, allowed_overlap, rows
from caffe_bn_convert.layers.detect.anchors import anchors
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Symbol, volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

FIELDS = (
    "feat_stride", "anchor_base_size", "anchor_scale", "anchor_ratio", "max_rois", "pre_nms_topn", "rpn_min_size",
    "rpn_nms_thresh",
)  # fmt: skip
SCALES = {3: (8.0, 16.0, 32.0), 1: (32.0,)}
RATIOS = {3: (0.5, 1.0, 2.0), 1: (1.0,)}


@dataclass(frozen=True, slots=True)
class CountedProposal(Anchored):
    """Rows (0, x1, y1, x2, y2) in pixels, best first, and their scores; of equal ones that of the last box, row and column.

    Caffe sorts ``pre_nms_topn`` boxes only, but suppresses among all of them: where fewer than ``max_rois`` of the sorted
    ones are left, it goes on in no order. Here all are sorted.

    Attributes:
        name: the layer's; the number of regions is known at run time only, and is a symbol of this name.
        smallest: sides below this, times the scale, do not count.
        most: at most so many regions.
        threshold: how much is too much of an overlap.
    """

    TOLD: ClassVar[str] = "by its fields"

    name: str
    smallest: float
    most: int
    threshold: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``proposal_param``."""
        p = source.proposal_param
        only(p, FIELDS)
        require(p.feat_stride > 0 and p.anchor_base_size > 0, "feat_stride and anchor_base_size must be above 0")
        require(p.max_rois > 0 and p.pre_nms_topn > 0, "max_rois and pre_nms_topn must be above 0")
        boxes = anchors(p.anchor_base_size, _told(p, "anchor_ratio", RATIOS), _told(p, "anchor_scale", SCALES))
        return cls(
            whose="synopsys-caffe's Proposal", anchors=rows(boxes), stride=p.feat_stride, tops=source.tops,
            name=source.definition.name, smallest=p.rpn_min_size, most=p.max_rois,
            threshold=allowed_overlap("rpn_nms_thresh", p.rpn_nms_thresh),
        )  # fmt: skip

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 5) and (regions, 1)."""
        self.places(bottoms)
        regions = Symbol.named(f"{self.name}_regions")
        return ((regions, 5), (regions, 1))[: self.tops]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes from deltas, NonMaxSuppression."""
        count = self.places(tuple(t.shape for t in x))
        info = e.reshape(x[2].name, x[2].shape, (volume(x[2].shape),))
        # The fork takes height and width of the picture as whole numbers.
        boxes = self.boxes(e, x[1], e.op("Cast", e.op("Cast", info, to=INT64), to=FLOAT))
        kept = self._large(e, boxes, info)
        boxes, score = (e.op("Gather", value, kept, axis=0) for value in (boxes, self.foreground(e, x[0], count)))
        return self.kept(e, boxes, score, self.threshold, min(self.most, count))[: self.tops]

    def located(self, deltas: Tensor) -> Any:
        """The anchors' corners, (places, 4): by box, row and column."""
        by_cell = Anchored.located(self, deltas).reshape(-1, len(self.anchors), 4)
        return by_cell.transpose(1, 0, 2).reshape(-1, 4)

    def per_place(self, e: Emitter, name: str, *sizes: int) -> str:
        """The numbers of a blob by box, row and column."""
        cut = e.op(
            "Reshape", name, e.ints([len(self.anchors), *(sizes[1:] or [1]), sizes[0] // len(self.anchors)], "shape")
        )
        return str(e.op("Reshape", e.op("Transpose", cut, perm=[0, 2, 1]), e.ints(sizes, "shape")))

    def _large(self, e: Emitter, boxes: str, info: str) -> str:
        """The places of the boxes that are large enough, from the last to the first."""
        near, far = e.split(boxes, [2, 2], 1)
        side = e.op("Add", e.op("Sub", far, near), e.constant(1.0, "one"))
        scale = e.op("Gather", info, e.ints([2], "scale"), axis=0)
        small = e.op("Less", side, e.op("Mul", scale, e.constant(self.smallest, "rpn_min_size")))
        either = e.reduce("Max", e.op("Cast", small, to=FLOAT), [1], keepdims=False)
        large = e.op("Not", e.op("Cast", either, to=BOOL))
        # The fork's loop over the boxes never reaches the last one.
        kept = e.op("Concat", e.slice(large, [0], [-1], [0]), e.constant([True], "last", np.bool_), axis=0)
        found = e.op("Squeeze", e.op("NonZero", kept), e.ints([0], "axes"))
        return str(e.op("Slice", found, *(e.ints([number], "backwards") for number in (-1, -(2**31), 0, -1))))


def _told(p: Any, name: str, known: Mapping[int, tuple[float, ...]]) -> tuple[float, ...]:
    counts = tuple(getattr(p, name)) or (3,)
    told = f"{name} without ratio and scale is synopsys-caffe's and says how many there are: 3 or 1, not {counts}"
    require(len(counts) == 1 and counts[0] in known, told)
    return known[int(counts[0])]
