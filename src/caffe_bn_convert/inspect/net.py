"""Inspection of a Caffe net, with or without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.errors import ConversionError, UnsupportedError
from caffe_bn_convert.inspect import macs, statistics
from caffe_bn_convert.inspect.model import Inspection, Parameter, Row, Value
from caffe_bn_convert.inspect.recover import recover
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.inputs import DataSource
from caffe_bn_convert.lint.context import Request, read_context

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.caffe.caffemodel import Caffemodel
    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.lint.context import Context, Reading
    from caffe_bn_convert.net.dim import Shape

_READING = frozenset({"NET012", "NET015", "NET016", "BN011", "BN012"})
"""Findings that say why something could not be told."""


def inspect_net(
    prototxt: str | os.PathLike[str],
    weights: Sequence[str | os.PathLike[str]] = (),
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    shapes: Mapping[str, Shape] | None = None,
    layers: Mapping[str, type[Layer]] = LAYERS,
) -> Inspection:
    """Look at a prototxt, as far as it can be understood.

    Args:
        prototxt, weights: the files.
        phase, level, stages: the net's state.
        shapes: input shapes by blob name.
        layers: the layer types by Caffe's name.

    Raises:
        UnreadableError: a file cannot be read for what it should be.
    """
    sources = tuple(caffemodel.read(path) for path in weights)
    request = Request(sources, phase, level, tuple(stages), shapes, layers=layers)
    return _inspected(read_net(prototxt), request, str(prototxt), "prototxt", ())


def inspect_weights(
    path: str | os.PathLike[str],
    shapes: Mapping[str, Shape] | None = None,
    layers: Mapping[str, type[Layer]] = LAYERS,
) -> Inspection:
    """Look at a caffemodel alone: as a net where its binary holds one that wires up, else as a list of blobs.

    Raises:
        UnreadableError: the file cannot be read for what it should be.
    """
    source = caffemodel.read(path)
    try:
        recovered = recover(path)
        notes = recovered_notes(recovered.layers, recovered.whole, recovered.lost)
        net = parse_net(recovered.text, str(path))
        if any(layer.parameter.top for layer in net.layers):
            return _inspected(
                net, Request((source,), None, 0, (), shapes, layers=layers), str(path), "caffemodel", notes
            )
    except UnsupportedError as error:
        notes = (error.problems[0].what,)
    except ConversionError as error:
        notes = (f"the net in it cannot be read: {error.problems[0].what}",)
    kind = "hdf5" if Path(path).suffix == ".h5" else "caffemodel"
    return Inspection(str(path), kind, "", tuple(_listed(source)), notes=notes)


def recovered_notes(layers: int, whole: int, lost: Sequence[str]) -> tuple[str, ...]:
    """How far a prototxt could be recovered."""
    first = f"the prototxt is out of the binary: {whole} of {layers} layers are complete"
    return (first, *lost)


def _listed(source: Caffemodel) -> list[Row]:
    rows = []
    for layer in source.layers:
        blobs = [(i, blob) for i, blob in enumerate(layer.blobs) if blob is not None]
        parameters = tuple(Parameter(str(i), blob.shape, blob.count, stored=True) for i, blob in blobs)
        rows.append(Row(layer.name, layer.type, (), (), parameters))
    return rows


def _inspected(net: NetDefinition, request: Request, file: str, kind: str, notes: Sequence[str]) -> Inspection:
    context = read_context(net, request)
    shapes: dict[int, Shape | None] = {}
    rows = [_row(context, reading, shapes) for reading in context.readings]
    said = [f"{finding.where}: {finding.what}" for finding in context.findings if finding.code in _READING]
    fed = [value for reading in context.readings if isinstance(reading.typed, DataSource) for value in reading.tops]
    unread = [v for v in context.wiring.values if not v.readers and v.maker is not None and v not in fed]
    return Inspection(
        file, kind, net.name, tuple(rows),
        tuple(Value(value.blob, _dims(shapes.get(id(value)))) for value in fed),
        tuple(Value(value.blob, _dims(shapes.get(id(value)))) for value in unread),
        tuple(statistics.of_net(context)), (*notes, *said),
    )  # fmt: skip


def _row(context: Context, reading: Reading, shapes: dict[int, Shape | None]) -> Row:
    """One row; notes the shapes of the tops."""
    tops = _top_shapes(context, reading)
    shapes.update((id(value), shape) for value, shape in zip(reading.tops, tops, strict=True))
    bottoms = tuple(value.blob for value in reading.bottoms)
    values = tuple(Value(value.blob, _dims(shape)) for value, shape in zip(reading.tops, tops, strict=True))
    known = [shape for shape in reading.shapes if shape is not None]
    complete = len(known) == len(reading.bottoms) and None not in tops and reading.typed is not None
    work = 0 if isinstance(reading.typed, DataSource) else None
    if complete and reading.typed is not None and work is None:
        work = macs.macs(reading.typed, known, [shape for shape in tops if shape is not None])
    return Row(reading.name, reading.type, bottoms, values, _parameters(reading, known), work, _bytes(bottoms, values))


def _top_shapes(context: Context, reading: Reading) -> list[Shape | None]:
    nothing: list[Shape | None] = [None] * len(reading.tops)
    if isinstance(reading.typed, DataSource):
        told = reading.typed.top_shapes(len(reading.tops))
        return [context.inputs.get(v.blob, shape) for v, shape in zip(reading.tops, told, strict=True)]
    if reading.typed is None or None in reading.shapes:
        return nothing
    try:
        return list(reading.typed.shapes(tuple(shape for shape in reading.shapes if shape is not None)))
    except ConversionError:
        return nothing


def _parameters(reading: Reading, known: Sequence[Shape]) -> tuple[Parameter, ...]:
    """The blobs by role; by number where the layer's parameters or shapes are unknown."""
    try:
        if reading.typed is not None and len(known) == len(reading.bottoms):
            expected = reading.typed.parameters(tuple(known)) if known or not reading.bottoms else ()
            there = len(reading.found) == len(expected)
            return tuple(
                Parameter(p.role, _text(p.shape), _count(p.shape), there and reading.found[i] is not None)
                for i, p in enumerate(expected)
            )
    except ConversionError:
        pass
    return tuple(
        Parameter(str(i), blob.shape, blob.count, stored=True)
        for i, blob in enumerate(reading.found)
        if blob is not None
    )


def _bytes(bottoms: Sequence[str], tops: Sequence[Value]) -> int | None:
    fresh = [top for top in tops if top.name not in bottoms]
    counts = [_count(top.shape) if top.shape is not None else None for top in fresh]
    if any(count is None for count in counts) or any(isinstance(d, str) for top in fresh for d in top.shape or ()):
        return None
    return 4 * sum(count or 0 for count in counts)


def _dims(shape: Shape | None) -> tuple[int | str, ...] | None:
    return None if shape is None else _text(shape)


def _text(shape: Sequence[object]) -> tuple[int | str, ...]:
    return tuple(dim if isinstance(dim, int) else str(dim) for dim in shape)


def _count(shape: Sequence[object]) -> int:
    count = 1
    for dim in shape:
        count *= dim if isinstance(dim, int) else 0
    return count
