"""What feeds a deployed net: names and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.state import Phase  # noqa: TC001
from caffe_bn_convert.errors import ConversionError, InvalidNetError, at
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Source
from caffe_bn_convert.layers.data import DummyData
from caffe_bn_convert.layers.inputs import DataSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition

IntShape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The blobs that one Input layer feeds, with their shapes."""

    name: str
    tops: tuple[str, ...]
    shapes: tuple[IntShape, ...]


def inputs_of(
    layer: LayerDefinition,
    twins: Sequence[LayerDefinition],
    shapes: Mapping[str, Sequence[int]],
    batch: int | None,
    original: LayerDefinition,
) -> Inputs:
    """The Input layer that stands for a data layer.

    Args:
        layer: the data layer, with the tops that are read.
        twins: other data layers; one that makes the same blob may know its shape.
        shapes: what the user says.
        batch: first dimension of what the user does not say; None keeps that of the data layer.
        original: the data layer with all its tops.

    Raises:
        InvalidNetError: nobody tells the shape.
    """
    known = dict(_batched(_told([*twins, original]), batch))
    with at(layer.where()):
        return Inputs(
            layer.name, tuple(layer.parameter.top), tuple(_shape(t, shapes, known) for t in layer.parameter.top)
        )


def _shape(top: str, shapes: Mapping[str, Sequence[int]], known: Mapping[str, IntShape]) -> IntShape:
    if top in shapes:
        return tuple(int(dim) for dim in shapes[top])
    if top not in known:
        raise InvalidNetError(
            f'nothing tells the shape of "{top}"',
            hint=f"add --shape {top}=1x3x224x224, with the size that the net was made for",
        )
    return known[top]


def _batched(told: Iterator[tuple[str, IntShape]], batch: int | None) -> Iterator[tuple[str, IntShape]]:
    for top, shape in told:
        yield top, shape if batch is None else (batch, *shape[1:])


def _told(layers: Sequence[LayerDefinition]) -> Iterator[tuple[str, IntShape]]:
    """What layers tell of the shapes of their tops; the last word counts."""
    for layer in layers:
        tops = list(layer.parameter.top)
        for top, shape in zip(tops, _shapes_of(layer), strict=False):
            if shape is not None:
                yield top, shape


def _shapes_of(layer: LayerDefinition, phase: Phase = "TEST") -> tuple[IntShape | None, ...]:
    cls = LAYERS.get(layer.type)
    if cls is None or not issubclass(cls, (DataSource, DummyData)):
        return ()
    try:
        typed = cls.read(Source(layer, phase))
    except ConversionError:
        return _dummy(layer)
    if isinstance(typed, DataSource):
        return typed.top_shapes(len(layer.parameter.top))  # type: ignore[return-value]
    assert isinstance(typed, DummyData)
    return tuple(shape for shape, _ in typed.tops)


def _dummy(layer: LayerDefinition) -> tuple[IntShape, ...]:
    """Shapes of DummyData whose numbers are random, which the converter does not take."""
    dummy = layer.parameter.dummy_data_param
    shapes = [tuple(int(dim) for dim in shape.dim) for shape in dummy.shape]
    if not shapes and dummy.num:
        columns = (dummy.num, dummy.channels, dummy.height, dummy.width)
        shapes = [tuple(int(c[min(i, len(c) - 1)]) for c in columns) for i in range(max(map(len, columns)))]
    return tuple(shapes * len(layer.parameter.top) if len(shapes) == 1 else shapes)
