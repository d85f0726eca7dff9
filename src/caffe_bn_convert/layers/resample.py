"""Layers that change the resolution: Interp, Upsample, UpsampleDarknet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Dim, Shape, fixed, is_fixed, show
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

TO_THE_END = 2**31 - 1


def _picture(shape: Shape) -> tuple[Dim, Dim, Dim, Dim]:
    require(len(shape) == 4, f"it takes 4-D blobs, its bottom has {len(shape)} axes")
    n, c, h, w = shape
    return n, c, h, w


@dataclass(frozen=True, slots=True)
class Interp(Layer):
    """Bilinear interpolation in which the corners meet (interp_layer.cpp of DeepLab and PSPNet).

    A second bottom, which ICNet's fork knows, gives the size by its own.

    Attributes:
        size: height and width, if they are given and count.
        shrink, zoom: otherwise the size is shrunk, then zoomed.
        before, after: how many rows and columns are cut off in front and behind.
    """

    BOTTOMS = (1, 2)
    RESTRICTIONS = "4-D; pads of 0 or less, as in Caffe"

    size: tuple[int, int] | None
    shrink: int = 1
    zoom: int = 1
    before: int = 0
    after: int = 0

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``interp_param``."""
        p = source.interp_param
        only(p, ("height", "width", "zoom_factor", "shrink_factor", "pad_beg", "pad_end"))
        require(p.pad_beg <= 0 and p.pad_end <= 0, "pad_beg and pad_end must be 0 or less: they only crop")
        require(p.shrink_factor >= 1 and p.zoom_factor >= 1, "shrink_factor and zoom_factor must be 1 or more")
        shrinks, zooms = p.HasField("shrink_factor"), p.HasField("zoom_factor")
        # One factor alone wins over height and width, both together do not.
        sized = shrinks == zooms and p.HasField("height") and p.HasField("width")
        told = sized or shrinks or zooms or source.bottoms == 2
        require(told, "interp_param needs height and width, shrink_factor or zoom_factor")
        return cls((p.height, p.width) if sized else None, p.shrink_factor, p.zoom_factor, -p.pad_beg, -p.pad_end)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with the height and width that the parameters tell."""
        n, c, *plane = _picture(bottoms[0])
        sizes = tuple(self._out(i, size) for i, size in enumerate(plane))
        if len(bottoms) == 2:
            sizes = _picture(bottoms[1])[2:]
        require(all(not isinstance(size, int) or size > 0 for size in sizes), f"its top would be {show(sizes)}")
        return ((n, c, *sizes),)

    def _out(self, axis: int, size: Dim) -> Dim:
        size = size - (self.before + self.after)
        require(not isinstance(size, int) or size > 0, "pad_beg and pad_end leave nothing of its bottom")
        return self.size[axis] if self.size else ((size - 1) // self.shrink) * self.zoom + 1

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Slice for the crop, Resize for the rest."""
        value = x[0].name
        if self.before or self.after:
            value = e.slice(value, [self.before] * 2, [-self.after or TO_THE_END] * 2, [2, 3])
        new = self.shapes(tuple(t.shape for t in x))[0]
        if new[2:] == tuple(size - (self.before + self.after) for size in x[0].shape[2:]):
            return [value]
        return [_resize(e, value, sizes=self._sizes(e, value, x, new), mode="linear", corners="align_corners")]

    def _sizes(self, e: Emitter, value: str, x: Sequence[Tensor], new: Shape) -> str:
        """The shape of the top as a vector."""
        if is_fixed(new):
            return e.ints(fixed(new), "sizes")
        batch = [e.size(x[0], 0), e.size(x[0], 1)]
        if len(x) == 2:
            return str(e.op("Concat", *batch, e.size(x[1], 2), e.size(x[1], 3), axis=0))
        plane = [
            e.ints([size], "size") if isinstance(size, int) else self._at_run_time(e, value, axis)
            for axis, size in enumerate(new[2:], 2)
        ]
        return str(e.op("Concat", *batch, *plane, axis=0))

    def _at_run_time(self, e: Emitter, value: str, axis: int) -> str:
        one = e.ints([1], "one")
        cells = e.op("Sub", e.op("Gather", e.op("Shape", value), e.ints([axis], "axis"), axis=0), one)
        cells = e.op("Mul", e.op("Div", cells, e.ints([self.shrink], "shrink")), e.ints([self.zoom], "zoom"))
        return str(e.op("Add", cells, one))


def _resize(e: Emitter, x: str, *, scales: str = "", sizes: str = "", mode: str, corners: str) -> str:
    inputs = [x, "", scales, sizes] if sizes else [x, "", scales]
    rounding = "floor" if mode == "nearest" else None
    return str(e.op("Resize", *inputs, mode=mode, coordinate_transformation_mode=corners, nearest_mode=rounding))


@dataclass(frozen=True, slots=True)
class Nearest(Layer):
    """Every value ``down`` × ``across`` times."""

    RESTRICTIONS = "4-D; whole factors"

    down: int
    across: int
    whose: str = ""

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001, where the type has several meanings."""
        if self.whose:
            yield taken_for(self.whose, "by its single bottom and its fields")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """Height and width multiplied."""
        n, c, h, w = _picture(bottoms[0])
        return ((n, c, h * self.down, w * self.across),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Resize."""
        scales = e.constant([1.0, 1.0, self.down, self.across], "scales")
        return [_resize(e, x[0].name, scales=scales, mode="nearest", corners="asymmetric")]


@dataclass(frozen=True, slots=True)
class UpsampleDarknet(Nearest):
    """Nearest neighbours, ``stride`` times (upsample_darknet_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``upsample_darknet_param``."""
        stride = source.upsample_darknet_param.stride
        require(stride >= 1, "stride must be 1 or more")
        return cls(stride, stride)


@dataclass(frozen=True, slots=True)
class Unpooling(Layer):
    """SegNet's Upsample: every value to the place in its channel's plane that the second bottom, a mask, names.

    Attributes:
        size: height and width of the top, if given.
        scale: otherwise what the bottom's are multiplied by.
        less: and what is taken off that.
    """

    BOTTOMS = (2, 2)

    size: tuple[int, int] | None
    scale: tuple[int, int] = (2, 2)
    less: tuple[int, int] = (0, 0)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``upsample_param``."""
        p = source.upsample_param
        only(p, ("scale", "scale_h", "scale_w", "pad_out_h", "pad_out_w", "upsample_h", "upsample_w"))
        if p.HasField("upsample_h") and p.HasField("upsample_w"):
            require(p.upsample_h > 1 and p.upsample_w > 1, "upsample_h and upsample_w must be above 1")
            return cls((p.upsample_h, p.upsample_w))
        pair = p.HasField("scale_h") and p.HasField("scale_w")
        require(pair or not (p.HasField("scale_h") or p.HasField("scale_w")), "scale_h and scale_w go together")
        require(not (pair and p.HasField("scale")), "scale and scale_h/scale_w are given together; Caffe takes either")
        plain = _whole(p.scale, "scale") if p.HasField("scale") else 2
        scale = (p.scale_h, p.scale_w) if pair else (plain, plain)
        less = int(bool(p.pad_out_h)), int(bool(p.pad_out_w))
        require(all(s > 1 for s in scale), "the scale must be above 1")
        require(
            all(s == 2 or not cut for s, cut in zip(scale, less, strict=True)), "pad_out_h and pad_out_w need scale 2"
        )
        return cls(None, scale, less)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, with another height and width."""
        n, c, *plane = _picture(bottoms[0])
        require(
            bottoms[1] == bottoms[0],
            f"the mask is {show(bottoms[1])}, but must be {show(bottoms[0])}, as the first bottom",
        )
        factors = zip(plane, self.scale, self.less, strict=True)
        return ((n, c, *(self.size or [size * by - cut for size, by, cut in factors])),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("SegNet's Upsample", "by its second bottom, a mask")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ScatterElements on zeros. (MaxUnpool is wrong where the plane is not the pooling's bottom.)"""
        top = self.shapes(tuple(t.shape for t in x))[0]
        old, new = x[0].shape, fixed(top[1:])
        flat = (*old[:2], fixed(old[2:3])[0] * fixed(old[3:])[0])
        values, places = (e.reshape(t.name, old, flat) for t in x)
        cells = new[1] * new[2]
        shape = e.op("Concat", e.size(x[0], 0), e.ints([new[0], cells], "plane"), axis=0)
        zeros = e.op("ConstantOfShape", shape, value=np.zeros(1, np.float32))
        spread = e.op("ScatterElements", zeros, e.op("Cast", places, to=INT64), values, axis=2)
        return [e.reshape(spread, (*old[:2], cells), top)]


@dataclass(frozen=True, slots=True)
class Upsample(Layer):
    """Three layers of one name: SegNet's with a mask, and nearest neighbours in two forks' spelling."""

    BOTTOMS = (1, 2)
    RESTRICTIONS = "SegNet's with a mask; with one bottom nearest neighbours by a whole factor"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``upsample_param``: a :class:`Unpooling` or a :class:`Nearest`."""
        if source.bottoms == 2:
            return Unpooling.read(source)
        p = source.upsample_param
        only(p, ("scale", "height_scale", "width_scale", "mode"))
        if p.HasField("mode") or p.HasField("height_scale") or p.HasField("width_scale"):
            if not p.HasField("mode") or p.mode != 0:
                raise UnsupportedError("Upsample with mode BILINEAR has no meaning that forks agree on")
            require(not p.HasField("scale"), "scale and height_scale/width_scale are of different forks")
            factors = _whole(p.height_scale, "height_scale"), _whole(p.width_scale, "width_scale")
            return Nearest(*factors, "YOLO v5's Upsample, nearest neighbours")
        scale = _whole(p.scale, "scale")
        return Nearest(scale, scale, "YOLO's Upsample, nearest neighbours")


def _whole(value: float, name: str) -> int:
    require(value >= 1, f"{name} must be 1 or more")
    require(value <= INT_MAX, f"{name} is more than {INT_MAX}")
    if value != int(value):
        raise UnsupportedError(f"{name} {value:g} is no whole number")
    return int(value)


LAYERS: dict[str, type[Layer]] = {
    "Interp": Interp,
    "Upsample": Upsample,
    "UpsampleDarknet": UpsampleDarknet,
}
