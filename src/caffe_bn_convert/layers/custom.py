"""Layers of types that nobody here knows, written as nodes of an operator domain of the user's.

The node has the layer's type as its operator, its bottoms and then its blobs as inputs, its tops as outputs, and what
the prototxt says of it as attributes. What it computes, and the shapes of what it makes, only the user knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.caffe.prototxt import Block
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError, UsageError
from caffe_bn_convert.layers.base import Layer, Parameter, Shapes, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape

STANDARD = frozenset(
    (
        *("name", "type", "bottom", "top", "phase", "loss_weight", "param", "blobs", "blobs_lr", "weight_decay"),
        *("propagate_down", "include", "exclude"),
    )
)
"""Fields of every layer; all others are the layer's own."""

Value = int | float | str | list[int] | list[float] | list[str]


@dataclass(frozen=True, slots=True)
class Custom(Layer):
    """A node of a custom domain; derive from it by :func:`in_domain`.

    Attributes:
        type: Caffe's type, and the operator.
        attributes: names and values.
        tops: names of the tops.
        in_place: for each top the place of the bottom of the same name, None if there is none.
        blob_shapes: of the blobs that the weights file has.
    """

    BOTTOMS = (0, None)
    TOPS = (0, None)
    DOMAIN: ClassVar[str] = ""
    SHAPES: ClassVar[Mapping[str, Shape]] = {}

    type: str
    attributes: tuple[tuple[str, Any], ...]
    tops: tuple[str, ...]
    in_place: tuple[int | None, ...]
    blob_shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Takes what the layer's text says, as it stands there."""
        bottoms, tops = list(source.definition.parameter.bottom), tuple(source.definition.parameter.top)
        places = tuple(bottoms.index(top) if top in bottoms else None for top in tops)
        attributes = tuple(own_fields(source.definition.text).items())
        return cls(source.definition.type, attributes, tops, places, source.blob_shapes or ())

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The blobs that there are, under numbers."""
        return tuple(Parameter(f"blob{i}", shape) for i, shape in enumerate(self.blob_shapes))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """What the user says; a blob that is worked on in place keeps its shape."""
        return tuple(self._shape(top, at, bottoms) for top, at in zip(self.tops, self.in_place, strict=True))

    def _shape(self, top: str, at: int | None, bottoms: Shapes) -> Shape:
        if top in self.SHAPES:
            return self.SHAPES[top]
        if at is not None:
            return bottoms[at]
        raise InvalidNetError(
            f'the shape of "{top}" is unknown: only you know what a {self.type} makes',
            hint=f"add --shape {top}=1x3x224x224 with its size; letters, as in {top}=Nx3xHxW, make dynamic axes",
        )

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """One node."""
        from caffe_bn_convert.export.emitter import attribute

        if not self.tops:
            return []
        blobs = [e.weight(blob, f"blob{i}") for i, blob in enumerate(w)]
        inputs = [*(tensor.name for tensor in x), *blobs]
        made = e.op(self.type, *inputs, outputs=len(self.tops), domain=self.DOMAIN)
        e.nodes[-1].attribute.extend(attribute(name, value) for name, value in self.attributes)
        return [made] if isinstance(made, str) else list(made)


def in_domain(domain: str, shapes: Mapping[str, Shape]) -> type[Custom]:
    """The layer class for nodes of ``domain``, whose tops have these ``shapes``.

    Raises:
        UsageError: the domain is ONNX's own.
    """
    if not domain or domain.startswith("ai.onnx"):
        raise UsageError(
            f'"{domain}" is no domain for custom operators', hint="name your own, such as --custom-domain com.example"
        )

    class InDomain(Custom):
        __slots__ = ()
        DOMAIN = domain
        SHAPES = shapes

    return InDomain


def own_fields(text: Block | None) -> dict[str, Value]:
    """The fields of a layer that only its type has, by name.

    ``foo_param { a: 1 b { c: 2.5 } }`` is ``a`` and ``b_c``. Numbers are ints or floats as they are written, ``true``
    and ``false`` are 1 and 0, other words are strings; a field that stands there twice, or in brackets, is a list.

    Raises:
        UnsupportedError: two blocks have a field of the same name, or a list has values of different kinds.
    """
    found: dict[str, Value] = {}
    for name in dict.fromkeys(field.name for field in text.fields if field.name not in STANDARD) if text else ():
        blocks = [field.value for field in text.all(name) if isinstance(field.value, Block)] if text else []
        pairs = list(_flat(blocks[-1], "")) if blocks else [(name, _value(text, name))] if text else []
        for key, value in pairs:
            if key in found:
                raise UnsupportedError(f'two of its blocks have a field "{key}"; attributes need different names')
            found[key] = value
    return found


def _flat(block: Block, prefix: str) -> Iterator[tuple[str, Value]]:
    for name in dict.fromkeys(field.name for field in block.fields):
        inner = block.block(name)
        if inner is None:
            yield prefix + name, _value(block, name)
        else:
            yield from _flat(inner, f"{prefix}{name}_")


def _value(block: Block, name: str) -> Value:
    fields = block.all(name)
    values = [field.value.value for field in fields if not isinstance(field.value, Block)]
    plain = [int(value) if isinstance(value, bool) else value for value in values]
    if len(plain) == 1 and not fields[0].listed:
        return plain[0]
    if any(isinstance(value, float) for value in plain) and not any(isinstance(value, str) for value in plain):
        return [float(value) for value in plain]
    if len({type(value) for value in plain}) > 1:
        raise UnsupportedError(f'the values of "{name}" are of different kinds: {", ".join(map(str, plain))}')
    return plain  # type: ignore[return-value]
