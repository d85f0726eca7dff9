"""Classes of Python layers in models of synopsys-caffe and ENet, written down here: nothing that a model file names is run."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.broadcast import broadcast
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.space import Reorg
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.dim import Symbol, fixed, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class _Class(Layer):
    WHOSE: ClassVar[str]

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(self.WHOSE, "by its module and class")


@dataclass(frozen=True, slots=True)
class TensorShape(_Class):
    """The sizes of the bottom's axes, as numbers (python/shape.py)."""

    WHOSE = "synopsys-caffe's Python layer shape.TensorShape"

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        require(source.bottoms == 1 and source.tops == 1, "TensorShape takes 1 bottom and makes 1 top")
        return cls()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many numbers as the bottom has axes."""
        return ((len(bottoms[0]),),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Shape and Cast."""
        return [e.op("Cast", e.op("Shape", x[0].name), to=FLOAT)]


@dataclass(frozen=True, slots=True)
class Eltwise(_Class):
    """An operation of two blobs that broadcasts as NumPy does (python/eltwise.py).

    Attributes:
        operation: the ONNX operator.
        coeffs: what the bottoms of a sum are multiplied by.
    """

    WHOSE = "synopsys-caffe's Python layer eltwise.Eltwise"

    operation: str
    coeffs: tuple[float, float]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``, a Python dictionary, which is parsed and never run."""
        require(source.bottoms == 2 and source.tops == 1, "Eltwise takes 2 bottoms and makes 1 top")
        try:
            given = ast.literal_eval(source.python_param.param_str)
            kind, coeffs = int(given["operation"]), tuple(float(number) for number in given.get("coeff", (1, 1)))
        except (ValueError, SyntaxError, TypeError, KeyError, AttributeError, MemoryError, RecursionError):
            kind, coeffs = -1, ()
        known = ("Mul", "Add", "Max", "Div", "Min")
        require(
            0 <= kind < len(known) and len(coeffs) == 2,
            "param_str of Eltwise must have operation, 0 to 4, and 2 values of coeff",
        )
        return cls(known[kind], (coeffs[0], coeffs[1]))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The larger of each axis."""
        return (broadcast(bottoms[0], bottoms[1]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """One node, and a Mul for each coefficient of a sum other than 1."""
        names = [t.name for t in x]
        if self.operation == "Add":
            names = [
                name if by == 1 else e.op("Mul", name, e.constant(np.float32(by), "coeff"))
                for name, by in zip(names, self.coeffs, strict=True)
            ]
        return [e.op(self.operation, *names)]


@dataclass(frozen=True, slots=True)
class Reshape(_Class):
    """The first bottom with the sizes that the second one holds, of which at most the last is -1 (python/reshape.py).

    Attributes:
        name: what the sizes are called, which only the data tell.
    """

    WHOSE = "synopsys-caffe's Python layer reshape.Reshape"

    name: str

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        require(source.bottoms == 2 and source.tops == 1, "Reshape takes 2 bottoms and makes 1 top")
        return cls(source.definition.name)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many axes as the second bottom has numbers."""
        require(len(bottoms[1]) == 1, f"the sizes are {show(bottoms[1])}; they must have one axis")
        return (tuple(Symbol.named(f"{self.name}/size{i}") for i in range(fixed(bottoms[1])[0])),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Cast, which drops fractions as int() does, and Reshape."""
        return [e.op("Reshape", x[0].name, e.op("Cast", x[1].name, to=INT64))]


@dataclass(frozen=True, slots=True)
class SpatialDropout(_Class):
    """ENet's Dropout of whole channels (spatial_dropout.py); its parameters tell the phase, not the net.

    For training it scales what it keeps by 1 / (1 - p), so that the mean of the samples is the bottom. For testing it
    multiplies by that factor, too.

    Attributes:
        factor: what the bottom is multiplied by; None where it samples.
    """

    WHOSE = "ENet's Python layer spatial_dropout.SpatialDropoutLayer"

    factor: np.float32 | None

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``, a Python dictionary, which is parsed and never run."""
        require(source.bottoms == 1 and source.tops == 1, "SpatialDropoutLayer takes 1 bottom and makes 1 top")
        try:
            given = ast.literal_eval(source.python_param.param_str)
            samples, p = given["phase"] == "TRAIN", float(given["p"])
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
            samples, p = True, 0.0
        require(0 < p < 1, "param_str of SpatialDropoutLayer must have phase, and p between 0 and 1")
        return cls(None if samples else np.float32(1 / (1 - p)))

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:
        """DIA001 and DROP001."""
        yield from _Class.findings(self, bottoms, w)
        if self.factor is None:
            yield Finding("DROP001", "it is random at test time, too ('phase': 'TRAIN' in its param_str)")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul, or nothing for the mean of the samples."""
        return [x[0].name if self.factor is None else e.op("Mul", x[0].name, e.constant(self.factor, "factor"))]


@dataclass(frozen=True, slots=True)
class DarknetReorg(Reorg):
    """YOLO v2's reorg with a stride of 2 (python/yolov2.py, python/darknet.py)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        require(source.bottoms == 1 and source.tops == 1, "darknet_reorg takes 1 bottom and makes 1 top")
        refuse_in_place(source)
        return cls(stride=2, reverse=False)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("synopsys-caffe's Python layer yolov2.darknet_reorg", "by its module and class")


@dataclass(frozen=True, slots=True)
class PadTensor(_Class):
    """A border around the picture, as ``numpy.pad`` makes it (python/pad.py).

    Attributes:
        pairs: cells above and below, left and right.
        mode: NumPy's, and ONNX's, name of what the border holds; zeros where it is ``constant``.
    """

    WHOSE = "synopsys-caffe's Python layer pad.PadTensor"

    pairs: tuple[tuple[int, int], tuple[int, int]]
    mode: str

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``param_str``, a Python dictionary, which is parsed and never run.

        Raises:
            UnsupportedError: a mode of NumPy that ONNX does not have.
        """
        require(source.bottoms == 1 and source.tops == 1, "PadTensor takes 1 bottom and makes 1 top")
        refuse_in_place(source)
        try:
            given = ast.literal_eval(source.python_param.param_str)
            top, bottom, left, right = (int(given[f"pad_{side}"]) for side in "tblr")
            mode = str(given["pad_mode"])
        except (
            ValueError,
            SyntaxError,
            TypeError,
            KeyError,
            AttributeError,
            MemoryError,
            RecursionError,
            OverflowError,
        ):
            top = bottom = left = right = -1
            mode = ""
        least = min(top, bottom, left, right)
        require(least >= 0, "param_str of PadTensor must have pad_t, pad_b, pad_l and pad_r from 0 on, and pad_mode")
        if mode not in ("constant", "edge", "reflect"):
            raise UnsupportedError(f'pad_mode "{mode}" of PadTensor is not known; constant, edge and reflect are')
        return cls(((top, bottom), (left, right)), mode)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Height and width with the border."""
        x = bottoms[0]
        require(len(x) == 4, f"PadTensor takes 4-D blobs, its bottom has {len(x)} axes")
        if self.mode == "reflect":
            # NumPy goes back and forth in a picture that is smaller, ONNX does not.
            enough = all(max(pair) < size for pair, size in zip(self.pairs, fixed(x[2:]), strict=True))
            require(enough, f"a border that reflects must be smaller than the picture, {show(x[2:])}")
        plane = tuple(size + sum(pair) for size, pair in zip(x[2:], self.pairs, strict=True))
        return ((*x[:2], *plane),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Pad."""
        (top, bottom), (left, right) = self.pairs
        pads = [0, 0, top, left, 0, 0, bottom, right]
        return [e.op("Pad", x[0].name, e.ints(pads, "pads"), mode=self.mode) if any(pads) else x[0].name]


@dataclass(frozen=True, slots=True)
class Subgraph(_Class):
    """A place holder of synopsys-caffe-models (caffe_models/ssd/caffe_model/ssd.py), whose ``forward`` does nothing."""

    WHOSE = "synopsys-caffe's Python layer ssd.subgraph_g1"

    @classmethod
    def read(cls, source: Source) -> Self:  # noqa: ARG003
        """Refuses it.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            "the Python class subgraph_g1 computes nothing: its top is whatever the memory holds",
            hint="write SSD's DetectionOutput in its place, or --until a blob in front of it",
        )


CLASSES: dict[tuple[str, str], type[Layer]] = {
    ("shape", "TensorShape"): TensorShape,
    ("eltwise", "Eltwise"): Eltwise,
    ("reshape", "Reshape"): Reshape,
    ("spatial_dropout", "SpatialDropoutLayer"): SpatialDropout,
    ("yolov2", "darknet_reorg"): DarknetReorg,
    ("pad", "PadTensor"): PadTensor,
    ("ssd", "subgraph_g1"): Subgraph,
}
"""By module and class."""
