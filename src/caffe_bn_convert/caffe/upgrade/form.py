"""Which form a layer has, and how errors of the upgrade name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, Where

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition


def is_v1(layer: LayerDefinition) -> bool:
    """Whether the layer stands in ``layers``; so do those of V0."""
    return bool(layer.parameter.DESCRIPTOR.name == "V1LayerParameter")


def is_v0(layer: LayerDefinition) -> bool:
    """Whether the layer stands in ``layers { layer { ... } }``."""
    return is_v1(layer) and bool(layer.parameter.HasField("layer"))


def refusal(net: NetDefinition, layer: LayerDefinition, what: str, hint: str | None = None) -> InvalidNetError:
    """An error about a layer, to be raised by the caller."""
    inner = layer.parameter.layer if is_v0(layer) else None
    line = layer.text.line if layer.text is not None else None
    name, kind = (inner.name, inner.type) if inner is not None else (layer.name, layer.type)
    return InvalidNetError(what, hint=hint, where=Where(net.file, line, layer=name, type=kind))
