"""PriorBoxClustered: default boxes of given widths and heights (prior_box_clustered_layer.cpp of OpenVINO's forks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Source, require
from caffe_bn_convert.layers.detect import prior_box
from caffe_bn_convert.layers.detect.prior_box import PriorBox
from caffe_bn_convert.layers.dialect import only

if TYPE_CHECKING:
    from typing_extensions import Self

F32 = np.float32
_FIELDS = ("variance", "img_size", "img_h", "img_w", "step", "step_h", "step_w", "offset", "width", "height", "clip",
           "flip")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriorBoxClustered(PriorBox):
    """PriorBox with boxes of given sides, which are not cut to integers.

    Attributes:
        given: width and height of every box.
    """

    RESTRICTIONS = "a constant, so the sizes of both bottoms must be fixed"

    given: tuple[tuple[float, float], ...] = ()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``prior_box_param``."""
        p = source.prior_box_param
        only(p, _FIELDS)
        require(len(p.width) > 0, "prior_box_param needs width and height")
        require(len(p.width) == len(p.height), f"there are {len(p.width)} widths but {len(p.height)} heights")
        require(all(side > 0 for side in (*p.width, *p.height)), "width and height must be above 0")
        require(len(p.variance) in (0, 1, 4), f"variance is given {len(p.variance)} times; it takes 1 or 4")
        require(all(v > 0 for v in p.variance), "variance must be above 0")
        variance = tuple(p.variance) or (0.1,)
        given = tuple(zip(p.width, p.height, strict=True))
        offsets = ((p.offset, p.offset),)
        image, step = prior_box.image_of(p), prior_box.step_of(p)
        return cls((), (), variance, p.clip, image, step, offsets, given=given)

    def _sizes_per_cell(self) -> int:
        return len(self.given)

    def _sides(self) -> list[tuple[Any, Any]]:
        return [(F32(width), F32(height)) for width, height in self.given]
