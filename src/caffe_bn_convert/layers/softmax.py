"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Layer, Shapes, Source, canonical_axis
from caffe_bn_convert.layers.dialect import only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Softmax(Layer):
    """Softmax along one axis."""

    axis: int = 1

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``softmax_param``."""
        only(source.softmax_param, ())
        return cls(source.softmax_param.axis)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        canonical_axis(self.axis, len(bottoms[0]))
        return (bottoms[0],)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Softmax, of one axis since opset 13."""
        return [e.op("Softmax", x[0].name, axis=canonical_axis(self.axis, len(x[0].shape)))]


LAYERS: dict[str, type[Layer]] = {"Softmax": Softmax}
