"""Fields that nobody knows, NET003; those that calibrate a layer for integers, QUANT001."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import Where
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import field_place
from caffe_bn_convert.net.build import quantised
from caffe_bn_convert.net.losses import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.prototxt import Unknown
    from caffe_bn_convert.lint.context import Context


def unknown_fields(context: Context) -> Iterator[Finding]:
    """NET003. Layers of unknown types, and of plug-ins, may have what fields they like."""
    for unknown in context.written.unknown:
        yield _finding(unknown, Where(context.written.file))
    for layer in context.written.layers:
        if _is_ours(layer.type, context) or layer.type in LEFT_OUT:
            for unknown in layer.unknown:
                yield _finding(unknown, Where(context.written.file, layer=layer.name, type=layer.type))


def calibrated(context: Context) -> Iterator[Finding]:
    """QUANT001."""
    for layer in context.net.layers:
        for finding in quantised(layer, context.phase) if _is_ours(layer.type, context) else ():
            yield replace(finding, where=field_place(layer, context.net, "quantization_param"))


CHECKS = (unknown_fields, calibrated)


def _is_ours(kind: str, context: Context) -> bool:
    return kind in LAYERS and context.layers.get(kind) is LAYERS[kind]


def _finding(unknown: Unknown, outer: Where) -> Finding:
    field = unknown.field
    meant = f"; {unknown.hint}" if unknown.hint else ""
    if field.name in unknown.known:
        what = f'"{unknown.path}" has a value that is not known to Caffe or any of its forks'
    else:
        what = f'the field "{unknown.path}" is not known to Caffe or any of its forks{meant}'
    return Finding("NET003", what, Where(outer.file, field.line, field.column, outer.layer, outer.type))
