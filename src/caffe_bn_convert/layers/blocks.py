"""NdConvolution and NdPooling of video-caffe: kernel, stride and pad are blocks of sizes (cudnn_nd*_layer.cpp); Pooling3D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Filler, Layer, Shapes, Source, require
from caffe_bn_convert.layers.conv import Convolution, Window
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import ceil_div, fixed, show
from caffe_bn_convert.net.limits import INT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape

_SHAPES = ("kernel_shape", "stride_shape", "pad_shape")


def _sizes(p: Any, name: str) -> tuple[int, ...]:
    sizes = tuple(int(dim) for dim in getattr(p, name).dim)
    require(all(0 <= size <= INT_MAX for size in sizes), f"{name} has sizes beyond {INT_MAX}")
    return sizes


@dataclass(frozen=True, slots=True)
class NdConvolution(Convolution):
    """Convolution on any number of spatial axes."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``convolution_param``."""
        p = source.convolution_param
        only(p, _SHAPES)
        plain = any(getattr(p, name) for name in ("kernel_size", "stride", "pad", "dilation"))
        require(not plain, "NdConvolution takes kernel_shape, stride_shape and pad_shape")
        require(p.num_output > 0, "convolution_param needs num_output")
        require(p.group > 0 and p.num_output % p.group == 0, f"num_output {p.num_output} is no multiple of {p.group}")
        require(source.bottoms == source.tops, f"it has {source.bottoms} bottoms but {source.tops} tops")
        window = Window(
            _sizes(p, "kernel_shape"), _sizes(p, "stride_shape") or (1,), _sizes(p, "pad_shape") or (0,), (1,)
        )
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(p.num_output, window, p.group, p.bias_term, 1, *fillers)


@dataclass(frozen=True, slots=True)
class NdPooling(Layer):
    """MAX or AVE pooling on any number of spatial axes.

    Attributes:
        method: MAX or AVE.
        kernel, stride, pad: one value for each spatial axis; one for all.
        whole: whether the kernel is the whole bottom.
    """

    RESTRICTIONS = "AVE only where no window sticks out of the bottom"

    method: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    whole: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``pooling_param``."""
        p = source.pooling_param
        only(p, _SHAPES)
        method = {0: "MAX", 1: "AVE"}.get(p.pool)
        if method is None:
            raise UnsupportedError("its pooling is random or a fork's; MAX and AVE are supported")
        kernel, stride, pad = (_sizes(p, name) for name in _SHAPES)
        require(bool(kernel) != p.global_pooling, "it takes either kernel_shape or global_pooling")
        require(all(kernel) and all(stride), "kernel_shape and stride_shape must be above 0")
        return cls(method, kernel, stride or (1,), pad or (0,), p.global_pooling)

    def _spread(self, x: Shape) -> list[tuple[int, int, int, int]]:
        """Size, kernel, stride and pad of each spatial axis."""
        sizes = fixed(x[2:])
        require(len(sizes) > 0, f"there is no spatial axis in {show(x)}")
        values = []
        for name, given in (("kernel", self.kernel or sizes), ("stride", self.stride), ("pad", self.pad)):
            require(len(given) in (1, len(sizes)), f"{name}_shape has {len(given)} sizes for {len(sizes)} axes")
            values.append(given * len(sizes) if len(given) == 1 else given)
        return list(zip(sizes, *values, strict=True))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many windows as Caffe's Pooling has, each axis by its own padding."""
        x = bottoms[0]
        tops = []
        for size, kernel, stride, pad in self._spread(x):
            require(pad < kernel, "pad must be smaller than the kernel")
            count = int(ceil_div(size + 2 * pad - kernel, stride)) + 1
            count -= bool(pad) and (count - 1) * stride >= size + pad
            require(count > 0, "the window does not fit the padded bottom")
            sticks_out = pad > 0 or (count - 1) * stride + kernel > size
            if self.method == "AVE" and sticks_out:
                raise UnsupportedError("AVE with windows that stick out divides by numbers that are not known")
            require((count - 1) * stride < size + pad, "its last window lies outside the bottom")
            tops.append(count)
        return ((*x[:2], *tops),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """MaxPool or AveragePool with explicit end padding."""
        axes = self._spread(x[0].shape)
        tops = fixed(self.shapes((x[0].shape,))[0][2:])
        ends = [
            max(0, (count - 1) * stride + kernel - size - pad)
            for count, (size, kernel, stride, pad) in zip(tops, axes, strict=True)
        ]
        return [
            e.op(
                "MaxPool" if self.method == "MAX" else "AveragePool", x[0].name,
                kernel_shape=[kernel for _, kernel, _, _ in axes], strides=[stride for _, _, stride, _ in axes],
                pads=[pad for *_, pad in axes] + ends,
            )
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pooling3D(NdPooling):
    """C3D's pooling of films (pool3d_layer.cpp): the number of windows is rounded up, and none is dropped."""

    RESTRICTIONS = "C3D's, with kernel_depth and without padding; AVE only where no window sticks out of the bottom"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``pooling3d_param``.

        Raises:
            UnsupportedError: it is another fork's, or random, or has padding.
        """
        p = source.pooling3d_param
        if not p.HasField("kernel_depth"):
            raise UnsupportedError("Pooling3D without kernel_depth is of a fork whose rules are not known")
        only(p, ("pool", "kernel_size", "kernel_depth", "stride", "temporal_stride"))
        method = {0: "MAX", 1: "AVE"}.get(p.pool)
        if method is None:
            raise UnsupportedError("its pooling is random or a fork's; MAX and AVE are supported")
        kernel, stride = (p.kernel_depth, *[p.kernel_size] * 2), (p.temporal_stride, *[p.stride] * 2)
        require(all(kernel) and all(stride), "kernel_size, kernel_depth, stride and temporal_stride must be above 0")
        return cls(method, kernel, stride, (0,), whole=False)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """As many windows as fit, rounded up."""
        require(len(bottoms[0]) == 5, f"it takes 5-D blobs, its bottom has {len(bottoms[0])} axes")
        return NdPooling.shapes(self, bottoms)


LAYERS: dict[str, type[Layer]] = {"NdConvolution": NdConvolution, "NdPooling": NdPooling, "Pooling3D": Pooling3D}
