"""What a layer type is: parameters read once, shapes by arithmetic, nodes by emission.

A layer is a frozen dataclass that derives from :class:`Layer`. ``read`` is the only place that touches protobuf;
``parameters`` and ``shapes`` are pure arithmetic; ``emit`` writes ONNX and nothing but. The oracle in ``verify``
shares none of it, on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.caffe.prototxt import Block, parse
from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Shape

Shapes = tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What ``read`` gets to see of a layer.

    Attributes:
        definition: the ``LayerParameter`` message in today's form, and the text it came from.
        phase: "TRAIN" or "TEST": the layer's own ``phase`` where it has one, else the net's.
        blob_shapes: shapes of the blobs that the weights file holds for this layer (forks differ in nothing else);
            None where the file has no such layer.
    """

    definition: LayerDefinition
    phase: str = "TEST"
    blob_shapes: tuple[tuple[int, ...], ...] | None = None

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_param"):
            return getattr(self.definition.parameter, name)
        raise AttributeError(name)

    def block(self, name: str) -> Block:
        """The block ``name`` of the layer's text, with fields that no schema knows; empty where there is none."""
        text = self.definition.text
        if text is None:
            return parse("")
        return text.block(name) or Block(text.source, text.offset, ())

    @property
    def bottoms(self) -> int:
        """How many bottoms the layer has."""
        return len(self.definition.parameter.bottom)

    @property
    def tops(self) -> int:
        """How many tops the layer has."""
        return len(self.definition.parameter.top)


@dataclass(frozen=True, slots=True)
class Filler:
    """How Caffe fills a parameter that the weights do not have.

    Attributes:
        type: Caffe's name of the filler.
        value: the value of a ``constant`` filler.
        given: whether the prototxt says so; otherwise it is Caffe's default.
    """

    type: str = "constant"
    value: float = 0.0
    given: bool = False

    @classmethod
    def read(cls, message: Any, field: str, default: float = 0.0) -> Filler:
        """The filler in ``message.field``, or Caffe's default, a constant."""
        if not message.HasField(field):
            return cls(value=default)
        filler = getattr(message, field)
        return cls(filler.type, filler.value, given=True)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A blob that a layer expects: the role that names its initializer, its shape and its filler."""

    role: str
    shape: Shape
    filler: Filler = Filler()


@dataclass(frozen=True, slots=True)
class Layer:
    """Base of all layer types. ``BOTTOMS`` and ``TOPS`` are Caffe's (least, most) counts; None is "any"."""

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, 1)
    TOPS: ClassVar[tuple[int, int | None]] = (1, 1)
    RESTRICTIONS: ClassVar[str] = ""

    @classmethod
    def read(cls, source: Source) -> Self:  # noqa: ARG003  (types without parameters need not look)
        """Read the parameters.

        Raises:
            UnsupportedError: a parameter has no rendering in ONNX.
            InvalidNetError: Caffe would refuse the parameters.
        """
        return cls()

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The blobs that Caffe's LayerSetUp makes for bottoms of these shapes."""
        return ()

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The shapes of the tops; by default that of the first bottom."""
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Write the ONNX nodes; returns the names of the values that are the tops."""
        raise NotImplementedError

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """What is legal here but suspicious."""
        return ()

    def remark(self) -> str | None:
        """What the user should hear about this layer in ONNX, as against Caffe; None for nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Identity(Layer):
    """A layer that passes its bottom on, to any number of tops (Split, Dropout at test time)."""

    TOPS = (1, None)

    copies: int = 1

    @classmethod
    def read(cls, source: Source) -> Self:
        """Counts the tops."""
        return cls(source.tops)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Every top is the bottom."""
        return (bottoms[0],) * self.copies

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """No arithmetic; the exporter names the value."""
        return [x[0].name] * self.copies


@dataclass(frozen=True, slots=True)
class SharedMemory(Layer):
    """A blob that lies in another one's memory, after that one was changed in place: its numbers under ``shape``."""

    shape: Shape = ()

    def shapes(self, bottoms: Shapes) -> Shapes:  # noqa: ARG002
        """The blob's own."""
        return (self.shape,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape."""
        return [e.reshape(x[0].name, x[0].shape, self.shape)]


def canonical_axis(axis: int, rank: int, what: str = "axis") -> int:
    """``axis`` counted from the front, as Caffe's ``Blob::CanonicalAxisIndex``.

    Raises:
        InvalidNetError: the blob has no such axis.
    """
    if not -rank <= axis < rank:
        raise InvalidNetError(f"{what} {axis} is out of range for a blob of {rank} axes")
    return axis % rank if rank else 0


def require(condition: bool, what: str, hint: str | None = None) -> None:  # noqa: FBT001  (reads as a sentence)
    """Raise InvalidNetError with Caffe's reason unless ``condition`` holds."""
    if not condition:
        raise InvalidNetError(what, hint=hint)
