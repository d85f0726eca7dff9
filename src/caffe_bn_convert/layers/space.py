"""Channels traded for space: DepthToSpace, SpaceToDepth, Reshape's ``pixelshuffler`` (synopsys, Intel) and YOLO's Reorg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import divide, fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Dim, Shape

CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class DepthToSpace(Layer):
    """Channels become blocks of ``block`` × ``block`` cells (depth_to_space_layer.cpp).

    Attributes:
        block: cells to a side.
        mode: ONNX's: whether a channel's number begins with the place in the block (DCR) or with the top's channel (CRD).
        last: whether the channels are the last axis.
    """

    RESTRICTIONS = "4-D; data_format NHWC, NCHW, DCR or CRD"

    block: int
    mode: str = "DCR"
    last: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``depth_to_space_param``."""
        p = source.depth_to_space_param
        only(p, ("block_size", "data_format"))
        refuse_in_place(source)
        _check(p.block_size, p.data_format, ("NHWC", "NCHW", "DCR", "CRD"))
        return cls(p.block_size, "CRD" if p.data_format == "CRD" else "DCR", p.data_format == "NHWC")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Channels by block², height and width times block."""
        n, c, h, w = _channels_first(bottoms[0], last=self.last)
        depth = _divided(c, self.block**2, bottoms[0])
        return (_as_given((n, depth, volume((h, self.block)), volume((w, self.block))), last=self.last),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """DepthToSpace, between two Transpose where the channels are last."""
        return [_emitted(e, x[0].name, "DepthToSpace", last=self.last, blocksize=self.block, mode=self.mode)]


@dataclass(frozen=True, slots=True)
class PixelShuffle(DepthToSpace):
    """Reshape with ``pixelshuffler`` (Intel's and synopsys' reshape_layer.cpp), which looks at nothing else then."""

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("Intel's and synopsys' Reshape, which shuffles pixels", "by pixelshuffler")


@dataclass(frozen=True, slots=True)
class SpaceToDepth(Layer):
    """Blocks of ``block`` × ``block`` cells become channels, the place in the block first (space_to_depth_layer.cpp)."""

    RESTRICTIONS = "4-D; data_format NHWC or NCHW"

    block: int
    last: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``space_to_depth_param``."""
        p = source.space_to_depth_param
        only(p, ("block_size", "data_format"))
        refuse_in_place(source)
        _check(p.block_size, p.data_format, ("NHWC", "NCHW"))
        return cls(p.block_size, p.data_format == "NHWC")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Channels times block², height and width by block."""
        n, c, h, w = _channels_first(bottoms[0], last=self.last)
        height, width = (_divided(side, self.block, bottoms[0]) for side in (h, w))
        return (_as_given((n, volume((c, self.block**2)), height, width), last=self.last),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """SpaceToDepth, between two Transpose where the channels are last."""
        return [_emitted(e, x[0].name, "SpaceToDepth", last=self.last, blocksize=self.block)]


@dataclass(frozen=True, slots=True)
class Reorg(Layer):
    """YOLO v2's reorg, with darknet's quirk (``reorg_cpu`` in reorg_layer.hpp).

    No space to depth: the bottom's memory is read as C/s² × sH × sW, whose pixels go to depth, the result's as s²C × H/s × W/s.
    """

    RESTRICTIONS = "4-D; channels must be a multiple of stride², height and width of stride"

    stride: int
    reverse: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``reorg_param``."""
        p = source.reorg_param
        only(p, ("stride", "reverse"))
        require(p.stride >= 1, "reorg_param needs a stride of 1 or more")
        return cls(p.stride, p.reverse)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """s² times the channels and 1/s of height and width; the other way round with ``reverse``."""
        n, *rest = _channels_first(bottoms[0], last=False)
        (c, h, w), s = fixed(tuple(rest)), self.stride
        fits = c % (s * s) == 0 and (self.reverse or (h % s == 0 and w % s == 0))
        told = f"a bottom of {c}x{h}x{w} does not divide by stride {s}"
        require(fits, told, "forks that take such channels disagree about the order, even CPU and GPU of one")
        return ((n, c // (s * s), h * s, w * s) if self.reverse else (n, c * s * s, h // s, w // s),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape, Transpose, Reshape."""
        top = self.shapes((x[0].shape,))[0]
        n, (c, height, width), s = x[0].shape[0], fixed(x[0].shape[1:]), self.stride
        depth = c // (s * s)
        if self.reverse:
            split, order = (n, s, s, depth, height, width), [0, 3, 4, 1, 5, 2]
        else:
            split, order = (n, depth, height, s, width, s), [0, 3, 5, 1, 2, 4]
        moved = e.op("Transpose", e.reshape(x[0].name, x[0].shape, split), perm=order)
        return [e.reshape(moved, tuple(split[i] for i in order), top)]


def _check(block: int, order: str, known: tuple[str, ...]) -> None:
    require(block >= 1, "block_size must be 1 or more")
    if order not in known:
        raise UnsupportedError(f'data_format "{order}" is not known', hint=f"known are {', '.join(known)}")


def _channels_first(shape: Shape, *, last: bool) -> tuple[Dim, ...]:
    require(len(shape) == 4, f"it takes 4-D blobs, not {show(shape)}")
    return tuple(shape[i] for i in CHANNELS_FIRST) if last else tuple(shape)


def _as_given(shape: Shape, *, last: bool) -> Shape:
    return tuple(shape[i] for i in CHANNELS_LAST) if last else shape


def _divided(size: Dim, by: int, shape: Shape) -> Dim:
    part = divide(size, by)
    if part is None:
        raise UnsupportedError(f"a blob of {show(shape)} does not divide into blocks: {size} by {by}")
    return part


def _emitted(e: Emitter, x: str, op: str, *, last: bool, **attributes: Any) -> str:
    x = e.op("Transpose", x, perm=CHANNELS_FIRST) if last else x
    y = e.op(op, x, **attributes)
    return str(e.op("Transpose", y, perm=CHANNELS_LAST) if last else y)


LAYERS: dict[str, type[Layer]] = {"DepthToSpace": DepthToSpace, "Reorg": Reorg, "SpaceToDepth": SpaceToDepth}
