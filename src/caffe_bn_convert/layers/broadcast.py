"""Arithmetic of two blobs of different shapes: Add, Mul, Maximum, MaskPooling, ChannelScale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.peaks import Highest
from caffe_bn_convert.net.dim import Dim, Shape, show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of an operation on both, aligned at the last axis, where an axis of 1 serves for any size."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(_either(m, n, a, b) for m, n in pairs)


def _either(m: Dim, n: Dim, a: Shape, b: Shape) -> Dim:
    require(m == n or m == 1 or n == 1, f"blobs of {show(a)} and {show(b)} do not fit: sizes must be equal or 1")
    return n if m == 1 else m


@dataclass(frozen=True, slots=True)
class Broadcasting(Layer):
    """An operation of two bottoms that broadcasts, as TensorFlow and NumPy do (synopsys-caffe)."""

    BOTTOMS = (1, 2)
    RESTRICTIONS = "synopsys-caffe's, of two bottoms"
    OP: ClassVar[str]

    @classmethod
    def read(cls, source: Source) -> Self:
        """No parameters.

        Raises:
            UnsupportedError: it has one bottom; OpenPose has another layer of that name.
        """
        refuse_in_place(source)
        if source.bottoms == 1:
            raise UnsupportedError(f"{source.definition.type} of a single bottom is another fork's layer")
        return cls()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The larger of each axis."""
        return (broadcast(bottoms[0], bottoms[1]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """One node."""
        return [e.op(self.OP, x[0].name, x[1].name)]


@dataclass(frozen=True, slots=True)
class Add(Broadcasting):
    """The sum (add_layer.cpp)."""

    OP = "Add"


@dataclass(frozen=True, slots=True)
class Maximum(Broadcasting):
    """The greater one (maximum_layer.cpp); with a single bottom, and no blobs, OpenPose's layer."""

    RESTRICTIONS = "synopsys-caffe's, of two bottoms; OpenPose's, of one"
    OP = "Max"

    @classmethod
    def read(cls, source: Source) -> Any:
        """No parameters; by the bottoms a :class:`~caffe_bn_convert.layers.peaks.Highest` or this."""
        if source.bottoms == 1 and not source.blob_shapes:
            return Highest()
        # super() would need the class that slots=True replaces.
        return Broadcasting.read.__func__(cls, source)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Mul(Broadcasting):
    """The product (mul_layer.cpp); with a single bottom that with a learned blob.

    Attributes:
        shape: the blob's; None with two bottoms.
    """

    RESTRICTIONS = "synopsys-caffe's"
    OP = "Mul"

    shape: tuple[int, ...] | None = None

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``mul_param``."""
        p = source.mul_param
        refuse_in_place(source)
        only(p, ("mul_shape",))
        return cls(tuple(p.mul_shape) if source.bottoms == 1 else None)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The factor, if it is no bottom. Caffe does not fill it."""
        return () if self.shape is None else (Parameter("factor_blob", self.shape, Filler(type="none", given=True)),)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The larger of each axis."""
        return (broadcast(bottoms[0], bottoms[1] if self.shape is None else self.shape),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Mul."""
        return [e.op("Mul", x[0].name, x[1].name if self.shape is None else e.weight(w[0], "factor"))]


@dataclass(frozen=True, slots=True)
class MaskPooling(Layer):
    """Every channel of the first bottom times the second, a mask of the same size (mask_pooling_layer.cpp of MNC)."""

    BOTTOMS = (2, 2)
    RESTRICTIONS = "4-D"

    def shapes(self, bottoms: Shapes) -> Shapes:
        """That of the first bottom."""
        x, mask = bottoms
        require(len(x) == 4, f"it takes 4-D blobs, its first bottom has {len(x)} axes")
        fits = len(mask) == 4 and mask == (x[0], 1, *x[2:])
        require(fits, f"the mask is {show(mask)}, but the features {show(x)} need {show((x[0], 1, *x[2:]))}")
        return (x,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul."""
        return [e.op("Mul", x[0].name, x[1].name)]


@dataclass(frozen=True, slots=True)
class ChannelScale(Layer):
    """Every channel times the second bottom, or everything times one learned number (caffe-windows).

    Source: channel_scale_layer.cpp.

    Attributes:
        forward: whether it does anything at all.
        limits: the least and the most that the learned number may be; None where the second bottom is the factor.
        tops: how many; the second one is the learned number.
    """

    BOTTOMS = (2, 2)
    TOPS = (1, 2)
    RESTRICTIONS = "caffe-windows'; 4-D"

    forward: bool
    limits: tuple[float, float] | None
    tops: int

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``channel_scale_param``."""
        p = source.channel_scale_param
        only(p, [field.name for field in p.DESCRIPTOR.fields])
        require(source.tops == 1 or p.global_scale, "only global_scale has a second top")
        limits = (p.min_global_scale, p.max_global_scale) if p.global_scale else None
        if limits and not p.do_forward and source.tops == 2:
            raise UnsupportedError("with do_forward: false its second top is never written")
        return cls(p.do_forward, limits, source.tops)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The learned number; without weights Caffe has -1, which is cut to the least one."""
        return () if self.limits is None else (Parameter("global_scale", (1,), Filler(value=-1.0)),)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """That of the first bottom, and a single number."""
        x, factor = bottoms
        require(len(x) == 4, f"it takes 4-D blobs, its first bottom has {len(x)} axes")
        fits = volume(factor) == x[0] * x[2] * x[3] and factor[:1] == x[:1]
        require(fits, f"the factors are {show(factor)}, but the first bottom is {show(x)}")
        return (x, (1,))[: self.tops]

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Mul."""
        data, factor = x
        if self.limits is None:
            if not self.forward:
                return [data.name]
            shape = (data.shape[0], 1, *data.shape[2:])
            return [e.op("Mul", data.name, e.reshape(factor.name, factor.shape, shape))]
        least, most = self.limits
        number = e.constant(max(min(float(w[0].read64()[0]), most), least), "global_scale")
        value = e.op("Mul", data.name, number) if self.forward else data.name
        return [value, e.reshape(number, (), (1,))][: self.tops]


LAYERS: dict[str, type[Layer]] = {
    "Add": Add,
    "Mul": Mul,
    "Maximum": Maximum,
    "MaskPooling": MaskPooling,
    "ChannelScale": ChannelScale,
}
