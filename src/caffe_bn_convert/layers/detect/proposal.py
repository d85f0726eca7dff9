"""Region proposals of Faster R-CNN and R-FCN: ``Proposal`` in C++, and what py-faster-rcnn's Python layer shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Shapes, Source, require
from caffe_bn_convert.layers.detect.anchored import Anchored, allowed_overlap, rows
from caffe_bn_convert.layers.detect.anchors import anchors
from caffe_bn_convert.layers.detect.counted import CountedProposal
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Symbol, fixed, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Proposal(Anchored):
    """Rows (image, x1, y1, x2, y2) in pixels, best first, and perhaps their scores.

    In C++ forks the image info may have another scale for the width.

    Attributes:
        name: the layer's; the number of regions is known at run time only, and is a symbol of this name.
        smallest: sides below this, times the scale, do not count.
        before, after: how many are kept before and after the suppression.
        threshold: how much is too much of an overlap.
        drops: whether small boxes are dropped; otherwise their score becomes 0.
    """

    RESTRICTIONS = (
        "OpenVINO's; synopsys-caffe's without ratio and scale; one image; fixed height and width; which of equal scores comes "
        "first is undefined in Caffe, and for synopsys-caffe's, what follows where the best pre_nms_topn do not fill max_rois"
    )
    TOLD: ClassVar[str] = "by its fields"

    name: str
    smallest: float
    before: int
    after: int
    threshold: float
    drops: bool

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``proposal_param``: a :class:`Proposal`, or synopsys-caffe's where it has no ``ratio`` and ``scale``."""
        p = source.proposal_param
        if not p.ratio and not p.scale:
            return CountedProposal.read(source)
        require(bool(p.ratio and p.scale), "ratio and scale go together")
        only(
            p, ("feat_stride", "base_size", "min_size", "ratio", "scale", "pre_nms_topn", "post_nms_topn", "nms_thresh")
        )
        require(p.feat_stride > 0 and p.base_size > 0, "feat_stride and base_size must be above 0")
        require(all(value > 0 for value in (*p.ratio, *p.scale)), "ratio and scale must be above 0")
        return cls(
            whose="the C++ Proposal of OpenVINO's fork, caffe-windows and PVANet",
            anchors=rows(anchors(p.base_size, p.ratio, p.scale)), stride=p.feat_stride, tops=source.tops,
            name=source.definition.name, smallest=p.min_size, before=p.pre_nms_topn, after=p.post_nms_topn,
            threshold=allowed_overlap("nms_thresh", p.nms_thresh), drops=False,
        )  # fmt: skip

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 5), and (regions,) or (regions, 1)."""
        self.places(bottoms)
        regions = Symbol.named(f"{self.name}_regions")
        return ((regions, 5), (regions, 1) if self.drops else (regions,))[: self.tops]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Boxes from deltas, TopK, NonMaxSuppression."""
        info = e.reshape(x[2].name, x[2].shape, (volume(x[2].shape),))
        boxes = self.boxes(e, x[1], info)
        count = self.places(tuple(t.shape for t in x))
        score = self.foreground(e, x[0], count)
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
        regions, score = self.kept(e, boxes, score, self.threshold, self.after)
        return [regions, score if self.drops else e.op("Squeeze", score, e.ints([1], "axes"))][: self.tops]

    def _large(self, e: Emitter, boxes: str, info: str, numbers: int) -> str:
        """Whether both sides count, (places,)."""
        near, far = e.split(boxes, [2, 2], 1)
        side = e.op("Add", e.op("Sub", far, near), e.constant(1.0, "one"))
        scales = e.ints([3 if numbers > 3 and not self.drops else 2, 2], "scales")
        least = e.op("Mul", e.op("Gather", info, scales, axis=0), e.constant(self.smallest, "min_size"))
        enough = e.op("Cast", e.op("GreaterOrEqual", side, least), to=FLOAT)
        wide, high = e.split(enough, [1, 1], 1)
        return str(e.op("Cast", e.op("Squeeze", e.op("Mul", wide, high), e.ints([1], "axes")), to=9))
