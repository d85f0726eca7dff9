"""From what the nets predict to boxes: means and standard deviations, and DecodeBBox (decode_bbox_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.net.dim import fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Dim

    Four = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """``bbox_reg_param``: what was taken from centre and size, x, y, w, h, and what they were divided by, for training."""

    mean: Four = (0.0, 0.0, 0.0, 0.0)
    std: Four = (1.0, 1.0, 1.0, 1.0)

    @classmethod
    def read(cls, parameter: Any, *, positive: bool = True) -> Normalisation:
        """Reads it; where one of the two is missing, Caffe uses neither.

        Raises:
            InvalidNetError: they are not 4 each, or with ``positive`` a deviation is not above 0.
        """
        mean, std = tuple(parameter.bbox_mean), tuple(parameter.bbox_std)
        if not mean or not std:
            return cls()
        require(
            len(mean) == len(std) == 4, f"bbox_mean and bbox_std take 4 numbers each, not {len(mean)} and {len(std)}"
        )
        require(not positive or min(std) > 0, "every bbox_std must be above 0")
        return cls(mean, std)

    def undo(self, e: Emitter, predicted: str, shape: Sequence[int]) -> str:
        """Times the deviation, plus the mean; ``shape`` is how the four lie beside the values."""
        if self == Normalisation():
            return predicted
        std, mean = (
            e.reshape(e.constant(v, k), (4,), tuple(shape)) for v, k in ((self.std, "std"), (self.mean, "mean"))
        )
        return str(e.op("Add", e.op("Mul", predicted, std), mean))


def around_priors(e: Emitter, predicted: str, priors: str) -> str:
    """``DecodeBBoxesWithPrior``: corners from (…, 4) centre and size, relative to the corners of (…, 4) priors.

    The last pixel belongs to a box.
    """
    one, half = e.constant(1.0, "one"), e.constant(0.5, "half")
    low, high = e.split(priors, [2, 2], -1)
    side = e.op("Add", e.op("Sub", high, low), one)
    centre = e.op("Mul", e.op("Add", high, low), half)
    shift, growth = e.split(predicted, [2, 2], -1)
    extent = e.op("Mul", side, e.op("Exp", growth))
    middle = e.op("Add", e.op("Mul", shift, side), centre)
    near = e.op("Sub", middle, e.op("Mul", e.op("Sub", extent, one), half))
    far = e.op("Sub", e.op("Add", near, extent), one)
    return str(e.op("Concat", near, far, axis=-1))


def numbers_a_row(shape: Sequence[Dim]) -> int:
    """How many numbers a row has whose other axes are 1 (Caffe's channels).

    Raises:
        InvalidNetError: another axis is not 1.
    """
    count = fixed(tuple(shape[1:2]) or (1,))[0]
    require(volume(shape[1:]) == count, f"a bottom must be rows of numbers, not {show(shape)}")
    return count


@dataclass(frozen=True, slots=True)
class DecodeBBox(Layer):
    """The regions moved to where the foreground's box is predicted: rows (image, x1, y1, x2, y2), as many as before.

    Bottoms: (regions, 8), of which the second four are the foreground's, and the regions. MS-CNN's and Cascade R-CNN's
    are the same layer.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (2, 3)
    RESTRICTIONS = "both forks' are the same; the TEST phase, which takes two bottoms"

    normalisation: Normalisation

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``bbox_reg_param``.

        Raises:
            UnsupportedError: it is for training, where it drops boxes by what is right.
        """
        if source.phase != "TEST":
            raise UnsupportedError("DecodeBBox in the TRAIN phase drops boxes; only the TEST phase is converted")
        require(source.bottoms == 2, "in the TEST phase it takes two bottoms: matched boxes are for training")
        return cls(Normalisation.read(source.bbox_reg_param))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 5, 1, 1)."""
        predicted, regions = bottoms
        require(predicted[0] == regions[0], f"there are {predicted[0]} predictions for {regions[0]} regions")
        require(numbers_a_row(predicted) == 8, f"it takes 8 numbers a region, its first bottom is {show(predicted)}")
        require(
            numbers_a_row(regions) == 5, f"regions are (image, x1, y1, x2, y2), its second bottom is {show(regions)}"
        )
        return ((regions[0], 5, 1, 1),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Exp and arithmetic."""
        count = x[1].shape[0]
        foreground = e.slice(e.reshape(x[0].name, x[0].shape, (count, 8)), [4], [8], [1])
        image, corners = e.split(e.reshape(x[1].name, x[1].shape, (count, 5)), [1, 4], 1)
        moved = around_priors(e, self.normalisation.undo(e, foreground, (1, 4)), corners)
        return [e.op("Unsqueeze", e.op("Concat", image, moved, axis=1), e.ints([2, 3], "axes"))]
