"""``GroupNorm`` of dongyf43's Spatio-Temporal-3D-CNN (group_norm_layer.cu); a Scale behind it has the factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.net.dim import fixed, is_fixed, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class GroupNorm(Layer):
    """Each item's groups of channels less their mean, by the root of their variance + eps.

    Attributes:
        groups: how many.
        eps: added to the variance.
    """

    RESTRICTIONS = (
        "with group_num and without blobs; the forks with group_ratio, or with factors of their own, are refused"
    )

    groups: int
    eps: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``group_norm_param``.

        Raises:
            UnsupportedError: nothing says that it is this fork's.
        """
        p = source.group_norm_param
        if not p.HasField("group_num") or source.blob_shapes:
            raise UnsupportedError("GroupNorm without group_num, or with blobs, is of a fork whose rules are not known")
        require(p.group_num > 0, "group_num must be above 0")
        return cls(p.group_num, p.eps)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("dongyf43's GroupNorm", "by group_num")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        x = bottoms[0]
        require(len(x) >= 2, "it takes blobs of 2 axes or more")
        channels = fixed(x[1:2])[0]
        require(channels % self.groups == 0, f"{channels} channels are no multiple of group_num {self.groups}")
        return (x,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ReduceMean and friends on (items, groups, rest)."""
        shape = x[0].shape
        grouped = (shape[0], self.groups, volume(shape[1:]) // self.groups)
        value = e.reshape(x[0].name, shape, grouped)
        centred = e.op("Sub", value, e.reduce("Mean", value, [2], keepdims=True))
        variance = e.reduce("Mean", e.op("Mul", centred, centred), [2], keepdims=True)
        root = e.op("Sqrt", e.op("Add", variance, e.constant(self.eps, "eps")))
        normal = e.op("Div", centred, root)
        if not is_fixed(shape):
            return [e.op("Reshape", normal, e.op("Shape", x[0].name))]
        return [e.reshape(normal, grouped, shape)]


LAYERS: dict[str, type[Layer]] = {"GroupNorm": GroupNorm}
