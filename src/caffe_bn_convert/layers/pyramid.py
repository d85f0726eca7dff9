"""Pyramids of poolings: SPP, ICNetSubgraph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.pool import Pooling
from caffe_bn_convert.layers.resample import Interp
from caffe_bn_convert.net.dim import Shape, fixed, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class SPP(Layer):
    """A pyramid of poolings with 1, 2, 4, … bins along each side, flattened and joined (spp_layer.cpp)."""

    RESTRICTIONS = "4-D, fixed height and width; no STOCHASTIC pooling"

    levels: int
    method: str

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``spp_param``."""
        p = source.spp_param
        refuse_in_place(source)
        method = {0: "MAX", 1: "AVE"}.get(p.pool)
        if method is None:
            raise UnsupportedError("its pooling is random or a fork's; MAX and AVE are supported")
        require(0 < p.pyramid_height < 31, "spp_param needs pyramid_height")
        return cls(p.pyramid_height, method)

    def poolings(self, x: Shape) -> list[Pooling]:
        """The pooling of each level; where its windows do not divide the image, they are padded."""
        require(len(x) == 4, f"SPP takes 4-D blobs, its bottom has {len(x)} axes")
        found = []
        for level in range(self.levels):
            bins = 2**level
            h, w = fixed(x[2:])
            kernel = (-(-h // bins), -(-w // bins))
            pad = ((kernel[0] * bins - h + 1) // 2, (kernel[1] * bins - w + 1) // 2)
            require(pad[0] < kernel[0] and pad[1] < kernel[1], f"{h}x{w} is too small for {bins}x{bins} bins")
            found.append(Pooling(self.method, kernel, kernel, pad))
        return found

    def shapes(self, bottoms: Shapes) -> Shapes:
        """N x everything; a single level is not flattened."""
        x = bottoms[0]
        tops = [pooling.shapes((x,))[0] for pooling in self.poolings(x)]
        if len(tops) == 1:
            return (tops[0],)
        return ((x[0], sum((volume(top[1:]) for top in tops), start=0)),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Pooling's nodes for every level, Flatten and Concat."""
        poolings = self.poolings(x[0].shape)
        parts = [pooling.emit(e, x, w)[0] for pooling in poolings]
        if len(parts) == 1:
            return parts
        return [e.op("Concat", *(e.op("Flatten", part, axis=1) for part in parts), axis=1)]


@dataclass(frozen=True, slots=True)
class ICNetSubgraph(Layer):
    """ICNet's pyramid in one layer: the map, plus four poolings of it interpolated to its size.

    The windows are those of icnet_cityscapes.prototxt, made for maps of 33 x 65, whatever the size of the map is.
    Source: synopsys-caffe, icnet_subgraph_layer.cpp.
    """

    RESTRICTIONS = "4-D, fixed height and width"

    @classmethod
    def read(cls, source: Source) -> Self:
        """It has no parameters."""
        refuse_in_place(source)
        return cls()

    def branches(self, x: Shape) -> list[tuple[Pooling, Interp]]:
        """The pooling of each branch, and what brings it back to the size of the map."""
        require(len(x) == 4, f"ICNetSubgraph takes 4-D blobs, its bottom has {len(x)} axes")
        height, width = fixed(x[2:])
        windows = ((33, 65), (33, 65)), ((17, 33), (16, 32)), ((13, 25), (10, 20)), ((8, 15), (5, 10))
        back = Interp((height, width))
        return [(Pooling("AVE", kernel, stride, (0, 0)), back) for kernel, stride in windows]

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        for pooling, _ in self.branches(bottoms[0]):
            pooling.shapes(bottoms)
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Pooling's nodes, Resize and Add for every branch, in Caffe's order."""
        total = x[0].name
        for pooling, back in self.branches(x[0].shape):
            pooled = replace(x[0], name=pooling.emit(e, x, w)[0], shape=pooling.shapes((x[0].shape,))[0])
            total = e.op("Add", total, back.emit(e, [pooled], w)[0])
        return [total]


LAYERS: dict[str, type[Layer]] = {"SPP": SPP, "ICNetSubgraph": ICNetSubgraph}
