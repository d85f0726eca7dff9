"""Normalisation by the blob's own values: MVN, LRN, Normalize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import ResourceLimitError
from caffe_bn_convert.layers.arithmetic import linear
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.grn import WindowsNormalize
from caffe_bn_convert.layers.inplace import refuse_in_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.net.dim import Shape


MAX_SIZE = 1 << 12
"""Largest local_size of LRN: runtimes walk through the whole window, however small the image is."""


@dataclass(frozen=True, slots=True)
class MVN(Layer):
    """Each plane, or item, less its mean and divided by its standard deviation + eps (mvn_layer.cpp)."""

    RESTRICTIONS = "up to 4 axes, as in Caffe"

    normalize_variance: bool = True
    across_channels: bool = False
    eps: float = 1e-9
    inside: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``mvn_param``; with a fork's ``add_eps_before_sqrt`` eps is added inside of the root."""
        p = source.mvn_param
        only(p, ("add_eps_before_sqrt",))
        return cls(p.normalize_variance, p.across_channels, p.eps, p.add_eps_before_sqrt)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's, filled up to 4 axes."""
        return (_four(bottoms[0]),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceMean and friends; unlike ONNX's MeanVarianceNormalization, Caffe adds eps outside of the root."""
        axes = [1, 2, 3] if self.across_channels else [2, 3]
        value = e.reshape(x[0].name, x[0].shape, _four(x[0].shape))
        centred = str(e.op("Sub", value, e.reduce("Mean", value, axes, keepdims=True)))
        if not self.normalize_variance:
            return [centred]
        variance = e.reduce("Mean", e.op("Mul", centred, centred), axes, keepdims=True)
        eps = e.constant(self.eps, "eps")
        if self.inside:
            return [e.op("Div", centred, e.op("Sqrt", e.op("Add", variance, eps)))]
        return [e.op("Div", centred, e.op("Add", e.op("Sqrt", variance), eps))]


@dataclass(frozen=True, slots=True)
class LRN(Layer):
    """Local response normalisation, across channels or within each (lrn_layer.cpp)."""

    RESTRICTIONS = "4-D, odd local_size, as in Caffe"

    size: int
    alpha: float
    beta: float
    k: float
    within: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``lrn_param``."""
        p = source.lrn_param
        only(p, {"unit_test_mode", "unit_test_fuse_kernel"})
        require(p.local_size % 2 == 1, f"local_size {p.local_size} is even; Caffe takes odd ones only")
        if p.local_size > MAX_SIZE:
            raise ResourceLimitError(f"local_size {p.local_size} is more than {MAX_SIZE}")
        within = p.norm_region == 1
        if not within:
            refuse_in_place(source)  # Caffe writes the scales to the top before it reads the bottom
        return cls(p.local_size, p.alpha, p.beta, p.k, within)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        require(len(bottoms[0]) == 4, f"LRN takes 4-D blobs, its bottom has {len(bottoms[0])} axes")
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """LRN; within channels it is made of AveragePool, and Caffe ignores k there."""
        if not self.within:
            return [e.op("LRN", x[0].name, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)]
        pad = (self.size - 1) // 2
        mean = e.op(
            "AveragePool", e.op("Mul", x[0].name, x[0].name),
            kernel_shape=[self.size] * 2, strides=[1, 1], pads=[pad] * 4, count_include_pad=1,
        )  # fmt: skip
        power = e.op("Pow", linear(e, mean, self.alpha, 1.0), e.constant(-self.beta, "power"))
        return [e.op("Mul", x[0].name, power)]


@dataclass(frozen=True, slots=True)
class Normalize(Layer):
    """``x / sqrt(sum(x^2) + eps) * scale``, the sum over the channels or over whole items (SSD's layer)."""

    TOPS = (1, 2)
    RESTRICTIONS = "SSD's layer (norm_param), 2 to 4 axes; with normalize_param caffe-windows', 4-D"

    across_spatial: bool
    channel_shared: bool
    eps: float
    filler: Filler = Filler(value=1.0)

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``norm_param``; with ``normalize_param`` it is a :class:`WindowsNormalize`."""
        p = source.norm_param
        if source.definition.parameter.HasField("normalize_param"):
            only(p, ())
            return WindowsNormalize.read(source)
        require(source.tops == 1, "SSD's Normalize has one top")
        only(p, {"across_spatial", "channel_shared", "eps", "scale_filler", "fix_scale", "bp_norm", "fix_gradient"})
        return cls(p.across_spatial, p.channel_shared, p.eps, Filler.read(p, "scale_filler", 1.0))

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """The scale: a single number, or one a channel."""
        rank = len(bottoms[0])
        require(2 <= rank <= 4, f"Normalize takes blobs of 2 to 4 axes, its bottom has {rank}")
        return (Parameter("scale", () if self.channel_shared else bottoms[0][1:2], self.filler),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """ReduceSumSquare, Add, Sqrt, Div and Mul; ONNX's LpNormalization has no eps."""
        rank = len(x[0].shape)
        axes = range(1, rank) if self.across_spatial else [1]
        total = e.reduce("SumSquare", x[0].name, axes, keepdims=True)
        y = e.op("Div", x[0].name, e.op("Sqrt", e.op("Add", total, e.constant(self.eps, "eps"))))
        shape = () if self.channel_shared else (*w[0].shape, *(1,) * (rank - 2))
        return [e.op("Mul", y, e.weight(w[0], "scale", shape))]


def _four(shape: Shape) -> Shape:
    require(0 < len(shape) <= 4, f"it takes blobs of up to 4 axes, its bottom has {len(shape)}")
    return (*shape, *(1,) * (4 - len(shape)))


LAYERS: dict[str, type[Layer]] = {"MVN": MVN, "LRN": LRN, "Normalize": Normalize}
