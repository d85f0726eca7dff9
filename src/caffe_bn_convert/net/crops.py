"""Where FCN's Crop begins: its branch of Caffe works that out from the layers between the two bottoms.

Source: crop_layer.cpp and util/coords.hpp of Caffe's branch "future", with which FCN, HED, U-Net and CRF-RNN were trained.
A blob is a grid of points, and each layer tells where its points lie on the grid of its bottom: ``scale × i + shift``.
Going back from both bottoms to the blob that they both come from gives where the second one lies on the first.

In files of V1 the layer is called CROP. Later its name was Crop, as BVLC's is, which begins at ``crop_param``'s offset and,
where there is no ``crop_param``, at 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import ConversionError, UnsupportedError
from caffe_bn_convert.layers.conv import Window
from caffe_bn_convert.layers.pool_fields import pair
from caffe_bn_convert.lint.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

FCNS, BVLCS = "CROP", "Crop"
IN_PLACE = frozenset({
    "AbsVal", "BNLL", "BatchNorm", "Bias", "Concat", "Dropout", "ELU", "Eltwise", "Exp", "LRN", "Log", "MVN", "PReLU", "Power",
    "ReLU", "Scale", "Sigmoid", "Slice", "Softmax", "Split", "TanH", "Threshold",
})  # fmt: skip
"""Layers whose points lie where their bottom's do (``coord_map`` is the identity)."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where point ``i`` of a blob lies on another's grid, along one axis: at ``scale × i + shift``."""

    scale: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)

    def behind(self, other: Places) -> Places:
        """``self`` of what ``other`` gives."""
        return Places(self.scale * other.scale, self.scale * other.shift + self.shift)

    def inverse(self) -> Places:
        """The other way round."""
        return Places(1 / self.scale, -self.shift / self.scale)


def with_offsets(net: NetDefinition) -> NetDefinition:
    """The net with each of FCN's CROP layers as a Crop that tells its offset, where that can be worked out."""
    if not any(layer.type == FCNS for layer in net.layers):
        return net
    layers: list[LayerDefinition] = []
    for layer in net.layers:
        try:
            layers.append(_told(layer, offsets(layers, layer)) if layer.type == FCNS else layer)
        except ConversionError:
            layers.append(layer)
    return replace(net, layers=tuple(layers))


def of_two_meanings(layers: Sequence[LayerDefinition]) -> Iterator[tuple[LayerDefinition, Finding]]:
    """CROP001: each Crop without ``crop_param`` that would begin elsewhere in FCN's branch."""
    for i, layer in enumerate(layers):
        if layer.type != BVLCS or layer.parameter.HasField("crop_param"):
            continue
        try:
            other = offsets(layers[:i], layer)
        except ConversionError:
            continue  # FCN's branch would not take it
        if any(other):
            what = f"it tells no offset: BVLC's Caffe begins at 0, FCN's branch at {other[0]}, {other[1]}"
            yield layer, Finding("CROP001", what, layer.where())


def offsets(before: Sequence[LayerDefinition], crop: LayerDefinition) -> tuple[int, int]:
    """How many rows and columns of the first bottom lie before the second.

    Args:
        before: the layers in front of it.
        crop: the layer.

    Raises:
        UnsupportedError: FCN's branch aborts here, or does not know a layer on the way.
    """
    makers: dict[str, LayerDefinition] = {}
    for layer in before:
        for top in layer.parameter.top:
            makers.setdefault(top, layer)  # layers in place come later, and do not move points
    ways = [_way(makers, bottom) for bottom in crop.parameter.bottom]
    if len(ways) != 2:
        raise UnsupportedError(f"it has {len(ways)} bottoms, but takes 2")
    common = next((blob for blob in ways[1] if blob in ways[0]), None)
    if common is None:
        raise UnsupportedError("its bottoms do not come from one blob, so that nothing tells its offset")
    first, second = (_places(makers, way[: way.index(common)]) for way in ways)
    found = [there.behind(here.inverse()) for here, there in zip(first, second, strict=True)]
    if any(axis.scale != 1 or axis.shift > 0 or axis.shift.denominator != 1 for axis in found):
        raise UnsupportedError("the points of its bottoms do not lie on each other")
    return int(-found[0].shift), int(-found[1].shift)


def _way(makers: dict[str, LayerDefinition], blob: str) -> list[str]:
    """The blob, what its maker's first bottom is, and so on."""
    way = [blob]
    while way[-1] in makers and makers[way[-1]].parameter.bottom:
        way.append(makers[way[-1]].parameter.bottom[0])
    return way


def _places(makers: dict[str, LayerDefinition], way: Sequence[str]) -> tuple[Places, Places]:
    rows = columns = Places()
    for blob in way:
        down, across = _of_layer(makers[blob])
        rows, columns = rows.behind(down), columns.behind(across)
    return rows, columns


def _of_layer(layer: LayerDefinition) -> tuple[Places, Places]:
    """``coord_map``: from the bottom's points to the top's."""
    parameter = layer.parameter
    if layer.type in IN_PLACE:
        return Places(), Places()
    if layer.type in ("Convolution", "Deconvolution"):
        window = Window.read(parameter.convolution_param).spread(2)
        sizes = [window.extent(i) for i in (0, 1)]
        rows, columns = _filtered(sizes, window.stride, window.pad)
        return (rows, columns) if layer.type == "Deconvolution" else (rows.inverse(), columns.inverse())
    if layer.type == "Pooling" and not parameter.pooling_param.global_pooling:
        p = parameter.pooling_param
        rows, columns = _filtered(pair(p, "kernel"), pair(p, "stride"), pair(p, "pad"))
        return rows.inverse(), columns.inverse()
    if layer.type == BVLCS and parameter.HasField("crop_param") and parameter.crop_param.axis == 2:
        begins = (*(parameter.crop_param.offset or (0,)), *parameter.crop_param.offset)[:2]
        return Places(shift=Fraction(-begins[0])), Places(shift=Fraction(-begins[-1]))
    raise UnsupportedError(
        f'layer "{layer.name}" ({layer.type}) between its bottoms does not tell where its points lie'
    )


def _filtered(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]) -> tuple[Places, Places]:
    rows, columns = (Places(Fraction(s), Fraction(k - 1, 2) - p) for k, s, p in zip(kernel, stride, pad, strict=True))
    return rows, columns


def _told(layer: LayerDefinition, begins: tuple[int, int]) -> LayerDefinition:
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    parameter.type = BVLCS
    parameter.crop_param.axis = 2
    parameter.crop_param.offset[:] = begins
    return replace(layer, parameter=parameter)
