"""Unpooling of DeconvNet: Pooling's MAX undone with the mask that it gave (unpooling_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.layers.resample import Unpooling as Scattered
from caffe_bn_convert.net.dim import Dim, fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.lint.finding import Finding

_FIELDS = (
    "unpool", "pad", "pad_h", "pad_w", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w",
    "unpool_size", "unpool_h", "unpool_w",
)  # fmt: skip


def _two(p: Any, plain: str, h: str, w: str) -> tuple[int, int] | None:
    pair = p.HasField(h) and p.HasField(w)
    require(pair or not (p.HasField(h) or p.HasField(w)), f"{h} and {w} go together")
    require(not (pair and p.HasField(plain)), f"{plain} and {h}/{w} are given together; Caffe takes either")
    if pair:
        return getattr(p, h), getattr(p, w)
    return (getattr(p, plain),) * 2 if p.HasField(plain) else None


@dataclass(frozen=True, slots=True)
class Unpooling(Scattered):
    """Every value to the place that the mask names.

    Attributes:
        kernel, stride: of the pooling, from which comes the size if it is not given.
    """

    RESTRICTIONS = "unpool: MAX with a mask"

    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``unpooling_param``.

        Raises:
            UnsupportedError: another method, or another fork's layer.
        """
        p = source.unpooling_param
        only(p, _FIELDS)
        if not p.HasField("unpool") or p.unpool != p.MAX:
            raise UnsupportedError("of Unpooling, unpool: MAX with a mask is supported")
        kernel = _two(p, "kernel_size", "kernel_h", "kernel_w") or (0, 0)
        require(all(kernel), "Unpooling needs kernel_size, or kernel_h and kernel_w")
        require(not any((p.pad, p.pad_h, p.pad_w)), "its pad must be 0")
        stride = _two(p, "stride", "stride_h", "stride_w") or (1, 1)
        return cls(_two(p, "unpool_size", "unpool_h", "unpool_w"), kernel=kernel, stride=stride)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """``unpool_size``, or the most that the pooling can have had."""
        ((n, c, *_),) = Scattered.shapes(self, bottoms)
        return ((n, c, *(self.size or map(self._most, fixed(bottoms[0][2:]), self.kernel, self.stride))),)

    @staticmethod
    def _most(size: int, kernel: int, stride: int) -> Dim:
        return max((size - 1) * stride + kernel, size * stride + 1)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("DeconvNet's Unpooling", "by unpool: MAX and its second bottom, a mask")


LAYERS: dict[str, type[Layer]] = {"Unpooling": Unpooling}
