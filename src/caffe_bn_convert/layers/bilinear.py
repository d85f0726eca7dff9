"""BilinearInterpolation, to the size of another blob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.resample import Interp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class BilinearInterpolation(Interp):
    """Bilinear interpolation, in which the corners meet, to the height and width of the second bottom.

    Source: ctensmeyer's Caffe, bilinear_layer.cpp. At the last row and column it reads beyond them, times 0.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = "ctensmeyer's with two bottoms; a height or width of 1 divides by 0 in Caffe"

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        refuse_in_place(source)
        return cls(None)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The first bottom's, with the height and width of the second."""
        shapes = Interp.shapes(self, bottoms)
        require(1 not in shapes[0][2:], "its second bottom has a height or width of 1: Caffe divides by 0 then")
        return shapes

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("ctensmeyer's BilinearInterpolation", "by its two bottoms")


LAYERS: dict[str, type[Layer]] = {"BilinearInterpolation": BilinearInterpolation}
