"""Convolution and Deconvolution, on any number of spatial axes (base_conv_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, canonical_axis, require
from caffe_bn_convert.net.dim import Dim, Shape, fixed, volume
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel moves: Caffe's kernel_size, stride, pad and dilation before the number of spatial axes is known.

    One value serves all axes; ``_h`` and ``_w`` give two. As soon as one of a pair is given, the other is 0, not the
    value of the plain field.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def read(cls, p: Any) -> Self:
        """Reads a ``ConvolutionParameter``; DeepLab's ``hole`` is the dilation."""
        hole = (
            (p.hole_h, p.hole_w)
            if p.HasField("hole_h") or p.HasField("hole_w")
            else ((p.hole,) if p.HasField("hole") else ())
        )
        return cls(
            _pair(p, "kernel_h", "kernel_w") or tuple(p.kernel_size),
            _pair(p, "stride_h", "stride_w") or tuple(p.stride) or (1,),
            _pair(p, "pad_h", "pad_w") or tuple(p.pad) or (0,),
            tuple(p.dilation) or hole or (1,),
        )

    def spread(self, axes: int) -> Self:
        """The same with one value for each of ``axes`` spatial axes."""

        def values(name: str, given: tuple[int, ...]) -> tuple[int, ...]:
            require(len(given) in (1, axes) or not axes, f"{name} has {len(given)} values for {axes} spatial axes")
            return given * axes if len(given) == 1 else given

        spread = type(self)(
            values("kernel_size", self.kernel),
            values("stride", self.stride),
            values("pad", self.pad),
            values("dilation", self.dilation),
        )
        numbers = (*spread.kernel, *spread.stride, *spread.pad, *spread.dilation)
        require(all(n <= INT_MAX for n in numbers), f"kernel_size, stride, pad or dilation is more than {INT_MAX}")
        require(all(k > 0 for k in spread.kernel), "kernel_size must not be 0")
        require(
            all(s > 0 for s in spread.stride),
            "stride must not be 0 (with only one of stride_h and stride_w the other is 0)",
        )
        return spread

    def out(self, i: int, size: Dim) -> Dim:
        """The size of output axis ``i`` of a convolution: the floor, unlike pooling.

        C++ rounds a negative quotient towards zero: a kernel that sticks out by less than the stride still fits once.
        """
        span = size + 2 * self.pad[i] - self.extent(i)
        if isinstance(span, int) and span < 0:
            return 1 - (-span // self.stride[i])
        return span // self.stride[i] + 1

    def extent(self, i: int) -> int:
        """How many cells the dilated kernel spans on axis ``i``."""
        return self.dilation[i] * (self.kernel[i] - 1) + 1

    def missing(self, spatial: Shape) -> list[int]:
        """How far the kernel sticks out behind the padded input on each axis; Caffe reads zeros there."""
        spans = [size + 2 * pad - self.extent(i) for i, (size, pad) in enumerate(zip(spatial, self.pad, strict=True))]
        return [max(0, -span) if isinstance(span, int) else 0 for span in spans]

    def out_transposed(self, i: int, size: Dim) -> Dim:
        """The size of output axis ``i`` of a deconvolution."""
        return self.stride[i] * (size - 1) + self.extent(i) - 2 * self.pad[i]

    def attributes(self, missing: Sequence[int] = ()) -> dict[str, Any]:
        """The attributes of ONNX Conv and ConvTranspose; ``missing`` widens the end pads."""
        ends = [pad + more for pad, more in zip(self.pad, missing or (0,) * len(self.pad), strict=True)]
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.stride),
            "pads": [*self.pad, *ends],
            "dilations": list(self.dilation),
        }


def _pair(p: Any, h: str, w: str) -> tuple[int, ...]:
    return (getattr(p, h), getattr(p, w)) if p.HasField(h) or p.HasField(w) else ()


@dataclass(frozen=True, slots=True)
class Convolution(Layer):
    """Convolution; every bottom goes through the same weights to its own top."""

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, None)
    TOPS: ClassVar[tuple[int, int | None]] = (1, None)

    num_output: int
    window: Window
    group: int
    bias: bool
    axis: int
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``convolution_param``."""
        p = source.convolution_param
        _check_pairs(p)
        require(p.num_output > 0, "convolution_param needs num_output")
        require(
            p.group > 0 and p.num_output % p.group == 0, f"num_output {p.num_output} is no multiple of group {p.group}"
        )
        require(source.bottoms == source.tops, f"it has {source.bottoms} bottoms but {source.tops} tops")
        return cls(
            p.num_output, Window.read(p), p.group, p.bias_term, p.axis,
            Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler"),
        )  # fmt: skip

    def _split(self, x: Shape) -> tuple[Shape, int, Shape, Window]:
        axis = canonical_axis(self.axis, len(x))
        channels = fixed(x[axis : axis + 1])[0]
        spatial = x[axis + 1 :]
        require(channels % self.group == 0, f"{channels} channels are no multiple of group {self.group}")
        return x[:axis], channels, spatial, self.window.spread(len(spatial))

    def _weight_shape(self, channels: int) -> tuple[int, int]:
        return self.num_output, channels // self.group

    def _out(self, window: Window, i: int, size: Dim) -> Dim:
        return window.out(i, size)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The weights, and the bias of ``num_output`` values."""
        _, channels, _, window = self._split(bottoms[0])
        weight = Parameter("weight", (*self._weight_shape(channels), *window.kernel), self.weight_filler)
        return (weight, Parameter("bias", (self.num_output,), self.bias_filler)) if self.bias else (weight,)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """``num_output`` channels, and every spatial axis as the window moves."""
        require(all(shape == bottoms[0] for shape in bottoms), "all bottoms must have the same shape")
        batch, _, spatial, window = self._split(bottoms[0])
        sizes = tuple(self._out(window, i, size) for i, size in enumerate(spatial))
        for i, size in enumerate(sizes):
            require(
                not isinstance(size, int) or size > 0,
                f"the kernel {window.kernel} does not fit the padded input {spatial} on axis {i}",
            )
        return ((*batch, self.num_output, *sizes),) * len(bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Conv; blobs whose channel axis is not 1 are reshaped around it."""
        return [
            self._one(e, bottom, w, top) for bottom, top in zip(x, self.shapes(tuple(t.shape for t in x)), strict=True)
        ]

    def _one(self, e: Emitter, x: Tensor, w: Sequence[Blob], top: Shape) -> str:
        batch, channels, spatial, window = self._split(x.shape)
        # ONNX's convolutions want at least one spatial axis and one batch axis; Caffe's take none and several.
        pad_axes = () if spatial else (1,)
        n = volume(batch)
        value = e.reshape(x.name, x.shape, (n, channels, *spatial, *pad_axes))
        if pad_axes:
            window, spatial = Window((1,), (1,), (0,), (1,)), (1,)
        weight = e.weight(w[0], "weight", (*w[0].shape, *pad_axes))
        biases = [e.weight(w[1], "bias")] if self.bias else []
        value = self._op(e, [value, weight, *biases], window, spatial)
        return e.reshape(value, (n, self.num_output, *top[len(batch) + 1 :], *pad_axes), top)

    def _op(self, e: Emitter, inputs: list[str], window: Window, spatial: Shape) -> str:
        return str(e.op("Conv", *inputs, group=self.group, **window.attributes(window.missing(spatial))))


def _check_pairs(p: Any) -> None:
    for plain, h, w in (
        ("kernel_size", "kernel_h", "kernel_w"),
        ("stride", "stride_h", "stride_w"),
        ("pad", "pad_h", "pad_w"),
    ):
        both = len(getattr(p, plain)) > 0 and (p.HasField(h) or p.HasField(w))
        require(not both, f"{plain} and {h}/{w} are given together; Caffe takes either")


@dataclass(frozen=True, slots=True)
class Deconvolution(Convolution):
    """Deconvolution: the convolution's backward pass, so that the weights are (C_in, C_out/group, …)."""

    def _weight_shape(self, channels: int) -> tuple[int, int]:
        return channels, self.num_output // self.group

    def _out(self, window: Window, i: int, size: Dim) -> Dim:
        return window.out_transposed(i, size)

    def _op(self, e: Emitter, inputs: list[str], window: Window, spatial: Shape) -> str:  # noqa: ARG002
        return str(e.op("ConvTranspose", *inputs, group=self.group, **window.attributes()))


@dataclass(frozen=True, slots=True)
class DepthwiseConvolution(Convolution):
    """Convolution with one kernel for each channel; the same as Convolution with as many groups as channels."""

    RESTRICTIONS = "num_output and group must both be the number of channels"

    def _split(self, x: Shape) -> tuple[Shape, int, Shape, Window]:
        parts = Convolution._split(self, x)
        # The fork's GPU code reads neither number, its CPU code both: only where they agree is there one meaning.
        require(
            self.group == self.num_output == parts[1],
            f"num_output {self.num_output} and group {self.group} must both be the number of channels, {parts[1]}",
        )
        return parts


@dataclass(frozen=True, slots=True)
class ConvolutionDepthwise(Convolution):
    """Another fork's depthwise convolution, which ignores num_output and group (conv_dw_layer.cpp)."""

    BOTTOMS = (1, 1)
    TOPS = (1, 1)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``convolution_param`` apart from num_output, group and axis."""
        p = source.convolution_param
        _check_pairs(p)
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(0, Window.read(p), 0, p.bias_term, 1, *fillers)

    def _for(self, x: Shape) -> Convolution:
        """The convolution that this is for a bottom of this shape."""
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        channels = fixed(x[1:2])[0]
        return Convolution(channels, self.window, channels, self.bias, 1, self.weight_filler, self.bias_filler)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """One kernel and one bias for each channel."""
        return self._for(bottoms[0]).parameters(bottoms)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many channels as the bottom has."""
        return self._for(bottoms[0]).shapes(bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Conv."""
        return self._for(x[0].shape).emit(e, x, w)


LAYERS: dict[str, type[Layer]] = {
    "Convolution": Convolution,
    "Deconvolution": Deconvolution,
    "DepthwiseConvolution": DepthwiseConvolution,
    "ConvolutionDepthwise": ConvolutionDepthwise,
}
