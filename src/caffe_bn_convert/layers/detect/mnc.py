"""The other Python layers of MNC's nets for testing (lib/pylayer/mask_layer.py and stage_bridge_layer.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.net.dim import fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

MASK_SIZE = 21


@dataclass(frozen=True, slots=True)
class _ForTesting(Layer):
    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters.

        Raises:
            UnsupportedError: the net is for training.
        """
        if source.phase != "TEST":
            raise UnsupportedError(f"MNC's {source.python_param.layer} is known for testing only")
        least, _ = cls.BOTTOMS
        fits = source.bottoms == least and source.tops == 1
        require(fits, f"it takes {least} bottoms and makes 1 top here")
        return cls()

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("MNC's layer for testing", "by its module and class")


@dataclass(frozen=True, slots=True)
class Mask(_ForTesting):
    """The masks of the regions as planes of 21 by 21."""

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(regions, 1, 21, 21)."""
        fits = volume(bottoms[0][1:]) == MASK_SIZE**2
        require(fits, f"a mask has {MASK_SIZE**2} numbers, its bottom is {show(bottoms[0])}")
        return ((bottoms[0][0], 1, MASK_SIZE, MASK_SIZE),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape."""
        return [e.reshape(x[0].name, x[0].shape, self.shapes((x[0].shape,))[0])]


@dataclass(frozen=True, slots=True)
class StageBridge(_ForTesting):
    """Each region moved as its likeliest class says, clipped to the picture.

    Bottoms: regions (n, 5); deltas (n, 4·classes); scores (n, classes); image info.
    """

    BOTTOMS = (4, 4)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The regions'."""
        regions, deltas, scores, info = bottoms
        classes = fixed(scores[1:2])[0] if len(scores) == 2 else 0
        wanted = (regions[0], 5), (regions[0], 4 * classes), (regions[0], classes)
        fits = (regions, deltas, scores) == wanted and classes > 0
        require(fits, f"regions {show(regions)}, deltas {show(deltas)} and scores {show(scores)} do not fit each other")
        require(
            fixed((volume(info),))[0] >= 2, f"the image info needs height and width; its fourth bottom is {show(info)}"
        )
        return (regions,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ArgMax and GatherElements, and boxes from deltas."""
        regions, deltas, scores, info = x
        classes = fixed(scores.shape[1:])[0]
        likeliest = e.op("Unsqueeze", e.op("ArgMax", scores.name, axis=1, keepdims=1), e.ints([2], "axes"))
        places = e.op("Expand", likeliest, e.ints([1, 1, 4], "four"))
        by_class = e.op("Reshape", deltas.name, e.ints([-1, classes, 4], "shape"))
        delta = e.op("Squeeze", e.op("GatherElements", by_class, places, axis=1), e.ints([1], "axes"))
        image, near, far = e.split(regions.name, [1, 2, 2], 1)
        by, growth = e.split(delta, [2, 2], 1)
        size = e.op("Add", e.op("Sub", far, near), e.constant(1.0, "one"))
        half = e.constant(0.5, "half")
        middle = e.op("Add", e.op("Mul", by, size), e.op("Add", near, e.op("Mul", size, half)))
        reach = e.op("Mul", e.op("Mul", e.op("Exp", growth), size), half)
        flat = e.reshape(info.name, info.shape, (volume(info.shape),))
        last = e.op("Sub", e.op("Gather", flat, e.ints([1, 0], "width_height"), axis=0), e.constant(1.0, "one"))
        ends = [
            e.op("Max", e.op("Min", e.op(side, middle, reach), last), e.constant(0.0, "zero"))
            for side in ("Sub", "Add")
        ]
        return [e.op("Concat", e.op("Sub", image, image), *ends, axis=1)]
