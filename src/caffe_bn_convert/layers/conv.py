"""Convolution and Deconvolution, on any number of spatial axes (base_conv_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, canonical_axis, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Dim, Shape, fixed, volume
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


FORK_FIELDS = (
    "hole", "hole_h", "hole_w", "filter_stride", "filter_stride_h", "filter_stride_w", "dilation_h", "dilation_w",
    "pad_l", "pad_r", "pad_t", "pad_b",
)  # fmt: skip
"""Fields of forks that are read here."""
HARMLESS = (
    "conv_algorithm",
    "cudnn_convolution_algo_seeker",
    "conv_algos_override",
    "weight_fixed",
    "dis_mode",
    "gen_mode",
)
"""Fields of forks that choose an algorithm, or are for training."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel moves: Caffe's kernel_size, stride, pad and dilation before the number of spatial axes is known.

    One value serves all axes; ``_h`` and ``_w`` give two. As soon as one of a pair is given, the other is 0, not the
    value of the plain field. ``pad_end`` is the padding behind, where a fork has it differ from that in front.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    pad_end: tuple[int, ...] | None = None

    @classmethod
    def read(cls, p: Any) -> Self:
        """Reads a ``ConvolutionParameter`` with the spellings of forks.

        Raises:
            UnsupportedError: a field of a fork that is not known here.
        """
        only(p, (*FORK_FIELDS, *HARMLESS))
        near, far = sides(p)
        if any((*near, *far)):
            require(
                not p.pad and not _pair(p, "pad_h", "pad_w"), "pad and pad_l, pad_r, pad_t or pad_b are given together"
            )
        return cls(
            _pair(p, "kernel_h", "kernel_w") or tuple(p.kernel_size),
            _pair(p, "stride_h", "stride_w") or tuple(p.stride) or (1,),
            near if any((*near, *far)) else _pair(p, "pad_h", "pad_w") or tuple(p.pad) or (0,),
            _dilation(p),
            far if near != far else None,
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
            values("pad", self.pad_end) if self.pad_end else None,
        )
        numbers = (*spread.kernel, *spread.stride, *spread.pad, *spread.ends, *spread.dilation)
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
        span = size + self.pad[i] + self.ends[i] - self.extent(i)
        if isinstance(span, int) and span < 0:
            return 1 - (-span // self.stride[i])
        return span // self.stride[i] + 1

    @property
    def ends(self) -> tuple[int, ...]:
        """The padding behind."""
        return self.pad if self.pad_end is None else self.pad_end

    def extent(self, i: int) -> int:
        """How many cells the dilated kernel spans on axis ``i``."""
        return self.dilation[i] * (self.kernel[i] - 1) + 1

    def missing(self, spatial: Shape) -> list[int]:
        """How far the kernel sticks out behind the padded input on each axis; Caffe reads zeros there."""
        pads = [a + b for a, b in zip(self.pad, self.ends, strict=True)]
        spans = [size + pad - self.extent(i) for i, (size, pad) in enumerate(zip(spatial, pads, strict=True))]
        return [max(0, -span) if isinstance(span, int) else 0 for span in spans]

    def out_transposed(self, i: int, size: Dim) -> Dim:
        """The size of output axis ``i`` of a deconvolution."""
        return self.stride[i] * (size - 1) + self.extent(i) - 2 * self.pad[i]

    def attributes(self, missing: Sequence[int] = ()) -> dict[str, Any]:
        """The attributes of ONNX Conv and ConvTranspose; ``missing`` widens the end pads."""
        ends = [pad + more for pad, more in zip(self.ends, missing or (0,) * len(self.pad), strict=True)]
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.stride),
            "pads": [*self.pad, *ends],
            "dilations": list(self.dilation),
        }


def sides(p: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """synopsys-caffe's padding in front (top, left) and behind (bottom, right), of convolution and pooling."""
    near, far = (p.pad_t, p.pad_l), (p.pad_b, p.pad_r)
    require(min(*near, *far) >= 0, "pad_l, pad_r, pad_t and pad_b must not be negative")
    return near, far


def _dilation(p: Any) -> tuple[int, ...]:
    """``dilation``; DeepLab calls it ``hole``, FCN's fork ``filter_stride``, and others write it as a pair."""
    found = [tuple(p.dilation)] if p.dilation else []
    for plain in ("hole", "filter_stride"):
        pair = tuple(
            getattr(p, f"{plain}_{axis}") if p.HasField(f"{plain}_{axis}") else getattr(p, plain) for axis in "hw"
        )
        if pair != (1, 1):
            found.append(pair)
    if p.HasField("dilation_h") or p.HasField("dilation_w"):
        found.append((p.dilation_h or 1, p.dilation_w or 1))
    require(len(found) <= 1, "dilation is given in the spellings of several forks")
    return found[0] if found else (1,)


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
        refuse_in_place(source)
        p = source.convolution_param
        check_pairs(p)
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


def check_pairs(p: Any) -> None:
    """Refuse a plain field beside its pair, as Caffe does."""
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

    RESTRICTIONS = "pad_l, pad_r, pad_t and pad_b, of synopsys-caffe, are refused"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``convolution_param``.

        Raises:
            UnsupportedError: padding that is not the same on all sides.
        """
        if any(any(side) for side in sides(source.convolution_param)):
            raise UnsupportedError("pad_l, pad_r, pad_t and pad_b of a Deconvolution are not supported")
        read: Self = Convolution.read.__func__(cls, source)  # type: ignore[attr-defined]
        return read

    def _weight_shape(self, channels: int) -> tuple[int, int]:
        return channels, self.num_output // self.group

    def _out(self, window: Window, i: int, size: Dim) -> Dim:
        return window.out_transposed(i, size)

    def _op(self, e: Emitter, inputs: list[str], window: Window, spatial: Shape) -> str:  # noqa: ARG002
        return str(e.op("ConvTranspose", *inputs, group=self.group, **window.attributes()))


LAYERS: dict[str, type[Layer]] = {"Convolution": Convolution, "Deconvolution": Deconvolution}
