"""``MaskResize`` of MNC (mask_resize_layer.cu): masks of regions in another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.separable import by_matrices
from caffe_bn_convert.net.dim import fixed
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class MaskResize(Layer):
    """Bilinear, cell i of the top at i · old / new; cells that lie half a cell behind the last one and further are 0."""

    RESTRICTIONS = "fixed height and width; factor_height and factor_width, of another fork, are refused"

    size: tuple[int, int]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``mask_resize_param``."""
        refuse_in_place(source)
        p = source.mask_resize_param
        only(p, ("output_height", "output_width"))
        require(p.output_height > 0 and p.output_width > 0, "mask_resize_param needs output_height and output_width")
        return cls((p.output_height, p.output_width))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many planes, of the new size."""
        require(len(bottoms[0]) == 4, f"it takes 4-D blobs, its bottom has {len(bottoms[0])} axes")
        return ((*bottoms[0][:2], *self.size),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Two MatMul."""
        rows, columns = (_weights(old, new) for old, new in zip(fixed(x[0].shape[2:]), self.size, strict=True))
        return [by_matrices(e, x[0].name, rows, columns)]


def _weights(old: int, new: int) -> np.ndarray[Any, Any]:
    """(new, old): how much of each old cell a new one has; the places are float32, as in the fork."""
    check_constant(new * old, "its matrix of weights")
    place = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
    inside = np.minimum(place, np.float32(old - 1))
    weights = np.maximum(0, 1 - np.abs(inside[:, None] - np.arange(old)))
    return np.where((place <= old - 0.5)[:, None], weights, 0.0)


LAYERS: dict[str, type[Layer]] = {"MaskResize": MaskResize}
