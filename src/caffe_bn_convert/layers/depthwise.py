"""Depthwise convolutions of forks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.conv import Convolution, Window, check_pairs
from caffe_bn_convert.net.dim import Shape, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


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
        check_pairs(p)
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
    "DepthwiseConvolution": DepthwiseConvolution,
    "ConvolutionDepthwise": ConvolutionDepthwise,
}
