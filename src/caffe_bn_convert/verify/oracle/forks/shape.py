"""Layers of forks that move values about and compute nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import canonical, expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def permute(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Permute`` (SSD's permute_layer.cpp): the axes in ``order``, then those that it leaves out."""
    expect(layer, bottoms, 1)
    axes, order = bottoms[0].ndim, fields(layer, "permute_param").integers("order")
    if len(set(order)) != len(order) or not all(0 <= axis < axes for axis in order):
        raise InvalidNetError(f"permute_param.order {order} must name each of {axes} axes at most once")
    return [bottoms[0].transpose(order + [axis for axis in range(axes) if axis not in order])]


def transpose(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Transpose`` of CTPN (transpose_layer.cpp): the axes in the order ``dim``, all of them."""
    expect(layer, bottoms, 1)
    order = fields(layer, "transpose_param").integers("dim")
    if sorted(order) != list(range(bottoms[0].ndim)):
        raise InvalidNetError(f"transpose_param.dim {order} must name each of {bottoms[0].ndim} axes once")
    return [bottoms[0].transpose(order)]


def shuffle_channel(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``ShuffleChannel`` (shuffle_channel_layer.cpp): channel i·(C/group)+j goes to j·group+i; the top has 4 axes."""
    expect(layer, bottoms, 1)
    x, group = bottoms[0], fields(layer, "shuffle_channel_param").integer("group", 1)
    n, c, h, w = legacy_shape(x)
    if group < 1 or x.ndim < 2 or c % group:
        raise InvalidNetError(f"ShuffleChannel's group {group} does not divide the channels of {x.shape}")
    return [x.reshape(n, group, c // group, h, w).swapaxes(1, 2).reshape(n, c, h, w)]


def squeeze(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Squeeze`` (synopsys-caffe's squeeze_layer.cpp): drops the axes in ``axis``, or all of size 1."""
    expect(layer, bottoms, 1)
    x = bottoms[0]
    axes = {canonical(axis, x.ndim) for axis in fields(layer, "squeeze_param").integers("axis")}
    if any(x.shape[axis] != 1 for axis in axes):
        raise InvalidNetError(f"Squeeze can only drop axes of size 1 from {x.shape}")
    return [x.squeeze(tuple(axes)) if axes else x.squeeze()]


def reverse(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Reverse`` (reverse_layer.cpp of OpenVINO's, CTPN's and synopsys' forks): one axis, by default 0, or several."""
    expect(layer, bottoms, 1)
    axes = fields(layer, "reverse_param").integers("axis") or [0]
    return [np.flip(bottoms[0], tuple(canonical(axis, bottoms[0].ndim) for axis in axes))]


def flip(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Flip`` of caffe-windows (flip_layer.cpp): left to right unless ``flip_width: false``, upside down on demand."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "flip_param"), bottoms[0].reshape(legacy_shape(bottoms[0]))
    axes = [3] if given.flag("flip_width", default=True) else []
    axes += [2] if given.flag("flip_height", default=False) else []
    return [np.flip(x, tuple(axes)).reshape(bottoms[0].shape)]


def padding(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Padding``: DeepLab's pad_beg and pad_end (zeros, or a crop where negative); sophgo's pad_l, pad_r, pad_t, pad_b."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "padding_param"), bottoms[0]
    if any(given.has(name) for name in ("pad_l", "pad_r", "pad_t", "pad_b", "pad_method", "pad_value")):
        if given.word("pad_method", "CONSTANT") != "CONSTANT":
            raise UnsupportedError("padding_param.pad_method other than CONSTANT")
        rows = given.integer("pad_t", 0), given.integer("pad_b", 0)
        columns = given.integer("pad_l", 0), given.integer("pad_r", 0)
        return [np.pad(x, ((0, 0), (0, 0), rows, columns), constant_values=given.integer("pad_value", 0))]
    before, after = given.integer("pad_beg", 0), given.integer("pad_end", 0)
    if before * after < 0 or min(x.shape[2:]) + before + after < 1:
        raise InvalidNetError(f"padding of {before} and {after} must have one sign and leave something of {x.shape}")
    if before < 0 or after < 0:
        return [x[..., -before : x.shape[2] + after, -before : x.shape[3] + after]]
    return [np.pad(x, ((0, 0), (0, 0), (before, after), (before, after)))]


def pad(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Pad`` (synopsys-caffe's pad_layer.cpp): two numbers an axis, filled with ``constant_values``."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "pad_param"), bottoms[0]
    amounts = given.integers("paddings")
    if len(amounts) != 2 * x.ndim or min(amounts) < 0:
        raise InvalidNetError(f"pad_param.paddings must be two numbers for each of {x.ndim} axes")
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    return [np.pad(x, pairs, constant_values=given.number("constant_values", 0))]


def crop_center(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``CropCenter`` of waifu2x-caffe (crop_center_layer.cpp): ``crop_size`` off both ends of each axis."""
    expect(layer, bottoms, 1)
    x, cut = bottoms[0], fields(layer, "crop_center_param").integers("crop_size")
    if len(cut) != x.ndim or any(not 0 <= 2 * amount < size for amount, size in zip(cut, x.shape, strict=True)):
        raise InvalidNetError(f"crop_center_param.crop_size {cut} does not fit a bottom of {x.shape}")
    return [x[tuple(slice(amount, size - amount) for amount, size in zip(cut, x.shape, strict=True))]]


def gather(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``Gather`` (synopsys-caffe's gather_layer.cpp): fixed ``indices`` of ``shape`` (0: one index) along ``axis``.

    Without ``gather_param`` it is yjxiong's gather_layer.cpp, which outside of MPI shares each bottom's data.
    """
    if not layer.parameter.HasField("gather_param"):
        return bottoms
    expect(layer, bottoms, 1)
    given, x = fields(layer, "gather_param"), bottoms[0]
    indices, shape = given.integers("indices"), given.integers("shape")
    axis = canonical(given.integer("axis", 0), x.ndim)
    shape = [] if shape == [0] else shape
    if len(indices) != math.prod(shape) or not all(0 <= index < x.shape[axis] for index in indices):
        raise InvalidNetError(f"Gather's indices {indices} do not fit their shape or axis {axis} of {x.shape}")
    return [x.take(np.array(indices, np.int64).reshape(shape), axis)]


def space_to_batch_nd(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SpaceToBatchND`` (synopsys-caffe, as TensorFlow's): blocks of the axes from 1 on go to the batch, after zeros."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "space_to_batch_nd_param"), bottoms[0]
    block, amounts = given.integers("block_shape"), given.integers("paddings")
    axes = len(block)
    if len(amounts) != 2 * axes or axes >= x.ndim or any(size < 1 for size in block):
        raise InvalidNetError("SpaceToBatchND needs a block_shape for some axes and two paddings for each of them")
    pairs = [(0, 0), *zip(amounts[::2], amounts[1::2], strict=True), *[(0, 0)] * (x.ndim - axes - 1)]
    x = np.pad(x, pairs)
    if any(size % step for size, step in zip(x.shape[1:], block, strict=False)):
        raise InvalidNetError(f"block_shape {block} does not divide the padded {x.shape}")
    split = [part for size, step in zip(x.shape[1:], block, strict=False) for part in (size // step, step)]
    rest = x.shape[1 + axes :]
    inner, outer = list(range(2, 2 * axes + 1, 2)), list(range(1, 2 * axes + 1, 2))
    moved = x.reshape(x.shape[0], *split, *rest).transpose(
        [*inner, 0, *outer, *range(2 * axes + 1, 2 * axes + 1 + len(rest))]
    )
    return [moved.reshape(-1, *split[::2], *rest)]


def batch_to_space_nd(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``BatchToSpaceND`` (synopsys-caffe, as TensorFlow's): the inverse, then ``crops`` off both ends of each axis."""
    expect(layer, bottoms, 1)
    given, x = fields(layer, "batch_to_space_nd_param"), bottoms[0]
    block, amounts = given.integers("block_shape"), given.integers("crops")
    axes, count = len(block), math.prod(block)
    if len(amounts) != 2 * axes or axes >= x.ndim or count < 1 or x.shape[0] % count:
        raise InvalidNetError(f"BatchToSpaceND's block_shape {block} and crops {amounts} do not fit {x.shape}")
    order = [axes]
    for axis in range(axes):
        order += [axes + 1 + axis, axis]
    split = x.reshape(*block, x.shape[0] // count, *x.shape[1:])
    order += range(2 * axes + 1, split.ndim)
    sizes = [size * step for size, step in zip(x.shape[1:], block, strict=False)]
    whole = split.transpose(order).reshape(x.shape[0] // count, *sizes, *x.shape[1 + axes :])
    cut = [slice(low, size - high) for low, high, size in zip(amounts[::2], amounts[1::2], sizes, strict=True)]
    return [whole[(slice(None), *cut)]]


def depth_to_space(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``DepthToSpace`` (synopsys-caffe's depth_to_space_layer.cpp): cell (h, w) comes from channel (h mod b)·b + w mod b.

    That is the first part of the channel's number, in the order CRD the last.
    """
    expect(layer, bottoms, 1)
    given = fields(layer, "depth_to_space_param")
    block, order = given.integer("block_size", 0), given.word("data_format", "NHWC")
    if order not in ("NHWC", "NCHW", "DCR", "CRD"):
        raise UnsupportedError(f"depth_to_space_param.data_format {order} is not known")
    x = _with_channels_second(bottoms[0], order)
    n, c, h, w = x.shape
    if block < 1 or c % block**2:
        raise InvalidNetError(f"{c} channels do not divide into blocks of {block}")
    depth = c // block**2
    y = np.empty((n, depth, h * block, w * block), x.dtype)
    for row in range(block):
        for column in range(block):
            place = row * block + column
            part = x[:, place :: block**2] if order == "CRD" else x[:, place * depth : (place + 1) * depth]
            y[:, :, row::block, column::block] = part
    return [y.transpose(0, 2, 3, 1) if order == "NHWC" else y]


def space_to_depth(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``SpaceToDepth`` (synopsys-caffe's space_to_depth_layer.cpp): the other way round, place in the block first."""
    expect(layer, bottoms, 1)
    given = fields(layer, "space_to_depth_param")
    block, order = given.integer("block_size", 0), given.word("data_format", "NHWC")
    if order not in ("NHWC", "NCHW"):
        raise UnsupportedError(f"space_to_depth_param.data_format {order} is not known")
    x = _with_channels_second(bottoms[0], order)
    if block < 1 or x.shape[2] % block or x.shape[3] % block:
        raise InvalidNetError(f"a picture of {x.shape[2:]} does not divide into blocks of {block}")
    y = np.concatenate([x[:, :, r::block, c::block] for r in range(block) for c in range(block)], axis=1)
    return [y.transpose(0, 2, 3, 1) if order == "NHWC" else y]


def _with_channels_second(x: Array, order: str) -> Array:
    if x.ndim != 4:
        raise InvalidNetError(f"it takes blobs of 4 axes, not {x.ndim}")
    return x.transpose(0, 3, 1, 2) if order == "NHWC" else x
