"""The Crop of FCN's branch of Caffe (crop_layer.cpp, LayerSetUp): where it begins hangs on the layers around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.caffe.definition import NetDefinition

Affine = tuple[float, float]
"""``first × i + second`` along one axis (DiagonalAffineMap of coords.hpp)."""
UNMOVED = {
    "AbsVal", "BNLL", "BatchNorm", "Bias", "Concat", "Dropout", "ELU", "Eltwise", "Exp", "LRN", "Log", "MVN", "PReLU", "Power",
    "ReLU", "Scale", "Sigmoid", "Slice", "Softmax", "Split", "TanH", "Threshold",
}  # fmt: skip


def placed(net: NetDefinition) -> NetDefinition:
    """The net with the offset that FCN's branch works out written into each CROP; those that it aborts on stay."""
    layers = list(net.layers)
    for index, layer in enumerate(layers):
        if layer.parameter.type != "CROP":
            continue
        begins = [_begin([other.parameter for other in layers[:index]], layer.parameter, axis) for axis in (0, 1)]
        if None not in begins:
            parameter = type(layer.parameter)()
            parameter.CopyFrom(layer.parameter)
            parameter.type = "Crop"
            parameter.crop_param.axis = 2
            parameter.crop_param.offset[:] = begins
            layers[index] = replace(layer, parameter=parameter)
    return replace(net, layers=tuple(layers)) if layers != list(net.layers) else net


def _begin(before: list[Any], crop: Any, axis: int) -> int | None:
    down = {top: parameter for parameter in reversed(before) for top in parameter.top}
    if len(crop.bottom) != 2:
        return None
    passed = [crop.bottom[0]]
    while passed[-1] in down and down[passed[-1]].bottom:
        passed.append(down[passed[-1]].bottom[0])
    meeting = crop.bottom[1]
    while meeting not in passed:
        if meeting not in down or not down[meeting].bottom:
            return None
        meeting = down[meeting].bottom[0]
    maps = [_from(down, blob, meeting, axis) for blob in crop.bottom]
    if maps[0] is None or maps[1] is None:
        return None
    scale, shift = _compose(maps[1], _inverse(maps[0]))
    if abs(scale - 1) > 1e-9 or shift > 1e-9 or abs(shift - round(shift)) > 1e-9:
        return None
    return -round(shift)


def _from(down: Mapping[str, Any], blob: str, meeting: str, axis: int) -> Affine | None:
    found: Affine = (1.0, 0.0)
    while blob != meeting:
        step = _coord_map(down[blob], axis)
        if step is None:
            return None
        found, blob = _compose(found, step), down[blob].bottom[0]
    return found


def _compose(left: Affine, right: Affine) -> Affine:
    return left[0] * right[0], left[0] * right[1] + left[1]


def _inverse(given: Affine) -> Affine:
    return 1 / given[0], -given[1] / given[0]


def _coord_map(parameter: Any, axis: int) -> Affine | None:
    """``Layer::coord_map``; None where it is not implemented."""
    if parameter.type in UNMOVED:
        return 1.0, 0.0
    if parameter.type == "Crop" and parameter.HasField("crop_param") and parameter.crop_param.axis == 2:
        begins = list(parameter.crop_param.offset) or [0]
        return 1.0, -float(begins[axis % len(begins)])
    if parameter.type in ("Convolution", "Deconvolution"):
        p = parameter.convolution_param
        kernel, stride, pad = (_of(p, name, axis, plain) for name, plain in (("kernel", 0), ("stride", 1), ("pad", 0)))
        kernel = (kernel - 1) * (p.dilation[axis % len(p.dilation)] if p.dilation else 1) + 1
        seen = (float(stride), (kernel - 1) / 2 - pad)
        return seen if parameter.type == "Deconvolution" else _inverse(seen)
    if parameter.type == "Pooling" and not parameter.pooling_param.global_pooling:
        p = parameter.pooling_param
        kernel, stride, pad = (_of(p, name, axis, plain) for name, plain in (("kernel", 0), ("stride", 1), ("pad", 0)))
        return _inverse((float(stride), (kernel - 1) / 2 - pad))
    return None


def _of(p: Any, name: str, axis: int, default: int) -> int:
    """``kernel_size``, ``stride`` or ``pad`` of one axis, which convolutions repeat and poolings do not."""
    if p.HasField(f"{name}_h") or p.HasField(f"{name}_w"):
        return int(getattr(p, f"{name}_{'hw'[axis]}"))
    plain = getattr(p, "kernel_size" if name == "kernel" else name)
    if isinstance(plain, int):
        return plain
    return int(plain[axis % len(plain)]) if len(plain) else default
