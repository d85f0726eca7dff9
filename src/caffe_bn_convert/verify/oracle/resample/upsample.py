"""Layers that repeat or rearrange values: Upsample, UpsampleDarknet, Unpooling, Reorg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def nearest(x: Array, down: int, across: int) -> Array:
    """Every value ``down`` × ``across`` times."""
    return x.repeat(down, axis=-2).repeat(across, axis=-1)


def _unpooled_size(given: Fields, x: Array) -> tuple[int, int]:
    """SegNet's upsample_layer.cpp ``LayerSetUp`` and ``Reshape``; ``pad_out_*`` takes one row or column off."""
    if given.has("upsample_h") and given.has("upsample_w"):
        return given.integer("upsample_h", 0), given.integer("upsample_w", 0)
    scale = given.integer("scale", 2)
    down, across = given.integer("scale_h", scale), given.integer("scale_w", scale)
    cut_h, cut_w = given.flag("pad_out_h", default=False), given.flag("pad_out_w", default=False)
    return x.shape[2] * down - int(cut_h), x.shape[3] * across - int(cut_w)


def _unpool(x: Array, mask: Array, height: int, width: int) -> Array:
    """Every value to the place that the mask names, zeros elsewhere; of two for one place the later wins."""
    if x.shape != mask.shape or x.ndim != 4:
        raise InvalidNetError(f"Unpooling needs 4-D data and a mask of its shape, not {x.shape} and {mask.shape}")
    index = mask.astype(np.int64).reshape(-1, x.shape[2] * x.shape[3])
    if index.size and (index.max() >= height * width or index.min() < 0):
        raise InvalidNetError("the mask points outside the output: its size is not that of the pooling's bottom")
    top = np.zeros((len(index), height * width), x.dtype)
    for plane, places, values in zip(top, index, x.reshape(index.shape), strict=True):
        plane[places] = values
    return top.reshape(*x.shape[:2], height, width)


def unpooling(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Unpooling`` (DeconvNet, unpooling_layer.cpp), MAX with a mask: ``unpool_size``, or the most that was pooled."""
    expect(layer, bottoms, 2)
    given, (x, mask) = fields(layer, "unpooling_param"), bottoms
    if given.word("unpool", "") not in ("MAX", "3"):
        raise InvalidNetError("only Unpooling with unpool: MAX is known here")
    size: list[int] = []
    for axis, old in zip("hw", x.shape[2:], strict=True):
        kernel = given.integer(f"kernel_{axis}", given.integer("kernel_size", 0))
        stride = given.integer(f"stride_{axis}", given.integer("stride", 1))
        most = max((old - 1) * stride + kernel, old * stride + 1)
        size.append(given.integer(f"unpool_{axis}", given.integer("unpool_size", most)))
    return [_unpool(x, mask, size[0], size[1])]


def upsample(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Upsample``: with a mask as second bottom SegNet's unpooling, else nearest neighbours (MobileNet-YOLO).

    Of one bottom with ``height_scale`` and ``width_scale`` (yolov5_caffe) only ``mode: NEAREST`` is known here.
    """
    expect(layer, bottoms, 1, 2)
    if len(bottoms) == 2:
        x, mask = bottoms
        return [_unpool(x, mask, *_unpooled_size(fields(layer, "upsample_param"), x))]
    given, x = fields(layer, "upsample_param"), bottoms[0]
    if given.has("mode") and given.word("mode", "") not in ("NEAREST", "0"):
        raise InvalidNetError("Upsample with mode BILINEAR has no definition that the forks share")
    scale = given.number("scale", 1)
    down, across = (given.number(name, scale) for name in ("height_scale", "width_scale"))
    if down < 1 or across < 1 or down % 1 or across % 1:
        raise InvalidNetError(f"Upsample's scale must be a whole number, not {down:g}×{across:g}")
    return [nearest(x, int(down), int(across))]


def upsample_darknet(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``UpsampleDarknet`` (synopsys-caffe, upsample_darknet_layer.cpp): nearest neighbours, ``stride`` times."""
    expect(layer, bottoms, 1)
    stride = fields(layer, "upsample_darknet_param").integer("stride", 1)
    return [nearest(bottoms[0], stride, stride)]


def reorg(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Reorg`` (``reorg_cpu`` in reorg_layer.hpp of the YOLO v2 forks).

    Without ``reverse`` the loop runs over the *bottom's* shape but reads as if the bottom were C/s² × sH × sW, and the
    result is then taken as s²C × H/s × W/s: darknet's quirk, not space to depth. With ``reverse`` it writes that way.
    """
    expect(layer, bottoms, 1)
    given, x = fields(layer, "reorg_param"), bottoms[0]
    stride, reverse = given.integer("stride", 0), given.flag("reverse", default=False)
    n, c, h, w = x.shape
    if stride < 1 or c % (stride * stride) or (not reverse and (h % stride or w % stride)):
        raise InvalidNetError(f"Reorg with stride {stride} does not fit a bottom of {x.shape}")
    wide = (n, c // stride**2, h, stride, w, stride)
    if reverse:
        split = x.reshape(n, stride, stride, c // stride**2, h, w)
        return [split.transpose(0, 3, 4, 1, 5, 2).reshape(n, c // stride**2, h * stride, w * stride)]
    moved = x.reshape(wide).transpose(0, 3, 5, 1, 2, 4)
    return [moved.reshape(n, c * stride**2, h // stride, w // stride)]
