"""Layers without bottoms that compute their tops: DummyData, Parameter. (All others are inputs.)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError

from .filler import constant, fill, weight

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule


def dummy_data(layer: Layer, _bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """dummy_data_layer.cpp: constants; no filler stands for 0, one filler or one shape for all tops."""
    p = layer.parameter.dummy_data_param
    shapes = [tuple(shape.dim) for shape in p.shape] or list(zip(p.num, p.channels, p.height, p.width, strict=True))
    return [_filled(p, _pick(shapes, i, layer.tops), i, layer.tops).astype(layer.dtype) for i in range(layer.tops)]


def _filled(p: Any, shape: tuple[int, ...], index: int, tops: int) -> Array:
    return fill(_pick(list(p.data_filler), index, tops), shape) if p.data_filler else constant(0, shape)


def _pick(values: list[Any], index: int, tops: int) -> Any:
    if len(values) not in (1, tops):
        raise InvalidNetError(f"DummyData has {len(values)} shapes or fillers for {tops} tops")
    return values[0 if len(values) == 1 else index]


def parameter(layer: Layer, _bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """parameter_layer.hpp: the top is the blob."""
    return [weight(layer, blobs, 0, tuple(layer.parameter.parameter_param.shape.dim), 0)]


LAYERS: dict[str, Rule] = {"DummyData": dummy_data, "Parameter": parameter}

DISCONTINUOUS: frozenset[str] = frozenset()
