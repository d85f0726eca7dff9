"""Layers of forks that add to the borders, or trade space for batch: Padding, Pad, SpaceToBatchND, BatchToSpaceND."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import divide, fixed, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Shape

Pairs = tuple[tuple[int, int], ...]
TO_THE_END = 2**31 - 1


def _padded(e: Emitter, x: str, pairs: Pairs, value: float = 0.0) -> str:
    """``Pad``, with as many cells in front of each axis and behind it; ``Slice`` where they are negative."""
    if not any(before or after for before, after in pairs):
        return x
    if all(before <= 0 and after <= 0 for before, after in pairs):
        axes = [axis for axis, pair in enumerate(pairs) if any(pair)]
        return e.slice(x, [-pairs[i][0] for i in axes], [pairs[i][1] or TO_THE_END for i in axes], axes)
    pads = e.ints([before for before, _ in pairs] + [after for _, after in pairs], "pads")
    return str(e.op("Pad", x, pads, e.constant(value, "border")) if value else e.op("Pad", x, pads))


@dataclass(frozen=True, slots=True)
class Padding(Layer):
    """A border around the picture: DeepLab's, which may be negative, or a newer one with four sides and a value.

    Attributes:
        whose: the fork, for the reader.
        pairs: cells above and below, left and right.
        value: what the border holds.
    """

    RESTRICTIONS = "4-D; DeepLab's pad_beg and pad_end, or sophgo's pad_l, pad_r, pad_t and pad_b"

    whose: str
    pairs: Pairs
    value: float = 0.0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``padding_param``."""
        p = source.padding_param
        refuse_in_place(source)
        if p.HasField("pad_beg") or p.HasField("pad_end"):
            only(p, ("pad_beg", "pad_end"))
            one_sign = p.pad_beg * p.pad_end >= 0
            require(one_sign, "pad_beg and pad_end must both be positive, or both be negative")
            return cls("DeepLab's Padding", ((p.pad_beg, p.pad_end),) * 2)
        only(p, ("pad_l", "pad_r", "pad_t", "pad_b", "pad_value", "pad_method"))
        return cls("sophgo's Padding", ((p.pad_t, p.pad_b), (p.pad_l, p.pad_r)), float(p.pad_value))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Height and width with the border."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        plane = tuple(size + before + after for size, (before, after) in zip(x[2:], self.pairs, strict=True))
        require(all(not isinstance(size, int) or size > 0 for size in plane), f"nothing would be left of {show(x)}")
        return ((*x[:2], *plane),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(self.whose, "by its fields")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Pad."""
        return [_padded(e, x[0].name, ((0, 0), (0, 0), *self.pairs), self.value)]


@dataclass(frozen=True, slots=True)
class Pad(Layer):
    """A border on every axis (pad_layer.cpp of synopsys-caffe)."""

    pairs: Pairs
    value: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``pad_param``."""
        p = source.pad_param
        only(p, ("paddings", "constant_values"))
        refuse_in_place(source)
        return cls(_pairs(p.paddings, "paddings"), p.constant_values)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Every axis with its border."""
        x = bottoms[0]
        require(len(self.pairs) == len(x), f"there are paddings for {len(self.pairs)} axes, its bottom has {len(x)}")
        return (tuple(size + before + after for size, (before, after) in zip(x, self.pairs, strict=True)),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Pad."""
        return [_padded(e, x[0].name, self.pairs, self.value)]


def _pairs(values: Any, name: str) -> Pairs:
    require(len(values) % 2 == 0, f"{name} needs two numbers for each axis, it has {len(values)}")
    return tuple((int(a), int(b)) for a, b in zip(values[::2], values[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Blocks(Layer):
    """What both layers share: blocks of the axes from 1 on, and a border around these axes (as TensorFlow has them)."""

    block: tuple[int, ...]
    border: Pairs

    @classmethod
    def _made(cls, source: Source, block: Any, border: Any, name: str) -> Self:
        refuse_in_place(source)
        pairs, sizes = _pairs(border, name), tuple(int(size) for size in block)
        require(len(sizes) == len(pairs) > 0, f"block_shape has {len(sizes)} axes, {name} {len(pairs)}")
        require(all(size > 0 for size in sizes), "block_shape must be above 0")
        return cls(sizes, pairs)

    def _count(self, x: Shape) -> int:
        count = len(self.block)
        require(count < len(x), f"block_shape has {count} axes, its bottom only {len(x)} with the batch")
        return count


@dataclass(frozen=True, slots=True)
class SpaceToBatchND(Blocks):
    """Zeros around, then the cells of each block to the batch (space_to_batch_nd_layer.cpp of synopsys-caffe)."""

    RESTRICTIONS = "fixed sizes but for the batch"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``space_to_batch_nd_param``."""
        p = source.space_to_batch_nd_param
        only(p, ("block_shape", "paddings"))
        return cls._made(source, p.block_shape, p.paddings, "paddings")

    def _parts(self, x: Shape) -> list[int]:
        """How many blocks there are on each axis."""
        count = self._count(x)
        sizes = [n + a + b for n, (a, b) in zip(fixed(x[1 : count + 1]), self.border, strict=True)]
        fits = all(size % block == 0 for size, block in zip(sizes, self.block, strict=True))
        require(fits, f"block_shape {list(self.block)} does not divide the padded sizes {sizes}")
        return [size // block for size, block in zip(sizes, self.block, strict=True)]

    def shapes(self, bottoms: Shapes) -> Shapes:
        """More items, smaller axes."""
        x = bottoms[0]
        batch = x[0]
        for block in self.block:
            batch = batch * block
        return ((batch, *self._parts(x), *x[len(self.block) + 1 :]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Pad, Reshape, Transpose, Reshape."""
        shape, count = x[0].shape, len(self.block)
        parts, rest = self._parts(shape), fixed(shape[count + 1 :])
        pairs = ((0, 0), *self.border, *((0, 0),) * len(rest))
        cells = [size for pair in zip(parts, self.block, strict=True) for size in pair]
        split = e.op("Reshape", _padded(e, x[0].name, pairs), e.ints([-1, *cells, *rest], "shape"))
        behind = range(2 * count + 1, 2 * count + 1 + len(rest))
        order = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count, 2), *behind]
        moved = e.op("Transpose", split, perm=order)
        return [e.op("Reshape", moved, e.ints([-1, *parts, *rest], "shape"))]


@dataclass(frozen=True, slots=True)
class BatchToSpaceND(Blocks):
    """The inverse, and then a border cut off (batch_to_space_nd_layer.cpp of synopsys-caffe)."""

    RESTRICTIONS = "fixed sizes but for the batch"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``batch_to_space_nd_param``."""
        p = source.batch_to_space_nd_param
        only(p, ("block_shape", "crops"))
        return cls._made(source, p.block_shape, p.crops, "crops")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Fewer items, larger axes."""
        x = bottoms[0]
        count, batch = self._count(x), x[0]
        for block in self.block:
            quotient = divide(batch, block)
            if quotient is None:
                raise UnsupportedError(f"{x[0]} items do not divide into blocks of {list(self.block)}")
            batch = quotient
        sizes = [
            n * block - a - b for n, block, (a, b) in zip(fixed(x[1 : count + 1]), self.block, self.border, strict=True)
        ]
        require(all(size > 0 for size in sizes), f"the crops leave nothing: {sizes}")
        return ((batch, *sizes, *x[count + 1 :]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Reshape, Transpose, Reshape, Slice."""
        shape, count = x[0].shape, len(self.block)
        inner, rest = fixed(shape[1 : count + 1]), fixed(shape[count + 1 :])
        split = e.op("Reshape", x[0].name, e.ints([*self.block, -1, *inner, *rest], "shape"))
        pairs = [axis for i in range(count) for axis in (count + 1 + i, i)]
        behind = range(2 * count + 1, 2 * count + 1 + len(rest))
        moved = e.op("Transpose", split, perm=[count, *pairs, *behind])
        sizes = [n * block for n, block in zip(inner, self.block, strict=True)]
        whole = str(e.op("Reshape", moved, e.ints([-1, *sizes, *rest], "shape")))
        cut = tuple((-a, -b) for a, b in self.border)
        return [_padded(e, whole, ((0, 0), *cut, *((0, 0),) * len(rest)))]


LAYERS: dict[str, type[Layer]] = {
    "Padding": Padding,
    "Pad": Pad,
    "SpaceToBatchND": SpaceToBatchND,
    "BatchToSpaceND": BatchToSpaceND,
}
