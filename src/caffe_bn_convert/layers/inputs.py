"""Blobs that the user feeds: the Input layer, and what data layers become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.layers.base import Layer, Source, require
from caffe_bn_convert.layers.dialect import only

if TYPE_CHECKING:
    from typing_extensions import Self

    from caffe_bn_convert.net.dim import Shape


def checked(shape: Shape) -> Shape:
    """``shape``, if its sizes are some."""
    for dim in shape:
        require(not isinstance(dim, int) or 0 <= dim <= 2**31 - 1, f"{dim} is no size for an axis")
    return shape


@dataclass(frozen=True, slots=True)
class DataSource(Layer):
    """A layer whose tops the user feeds. A shape is None where only --shape can tell it."""

    BOTTOMS = (0, 0)
    TOPS = (1, None)
    RESTRICTIONS = "becomes an input"

    given: tuple[Shape | None, ...] = ()
    named: str = ""

    def top_shapes(self, count: int) -> tuple[Shape | None, ...]:
        """One shape for every top."""
        return tuple(self.given[i] if i < len(self.given) else None for i in range(count))


@dataclass(frozen=True, slots=True)
class Input(DataSource):
    """The blobs of a deploy net. One shape serves all tops, or each has its own (input_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``input_param``."""
        only(source.input_param, ())
        shapes = [checked(tuple(shape.dim)) for shape in source.input_param.shape]
        require(
            len(shapes) in (0, 1, source.tops),
            f"it has {source.tops} tops but {len(shapes)} shapes: none, one or one each",
        )
        return cls(tuple(shapes * source.tops if len(shapes) == 1 else shapes))


LAYERS: dict[str, type[Layer]] = {"Input": Input}
