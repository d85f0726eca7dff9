"""Pieces of a plane and back: ``Division`` and ``Combination`` of JAANet (division_layer.cpp, combination_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.net.dim import Shape, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor

    Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Division(Layer):
    """A top for each piece.

    Attributes:
        size: height and width of a piece.
        places: row and column where each begins.
    """

    TOPS: ClassVar[tuple[int, int | None]] = (1, None)
    RESTRICTIONS = "fixed height and width"

    size: tuple[int, int]
    places: Places

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``division_param``."""
        refuse_in_place(source)
        p = source.division_param
        require(p.width > 0 and p.height > 0, "division_param needs width and height")
        return cls((p.height, p.width), _places(p.ycoord, p.xcoord, source.tops))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """All pieces are of one size."""
        x = bottoms[0]
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        high, wide = fixed(x[2:])
        inside = all(y + self.size[0] <= high and x_ + self.size[1] <= wide for y, x_ in self.places)
        require(inside, f"a piece of {self.size[0]}x{self.size[1]} sticks out of the plane of {high}x{wide}")
        return ((*x[:2], *self.size),) * len(self.places)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """A Slice for each piece."""
        high, wide = self.size
        return [e.slice(x[0].name, [y, x_], [y + high, x_ + wide], [2, 3]) for y, x_ in self.places]


@dataclass(frozen=True, slots=True)
class Combination(Layer):
    """The bottoms beside and below each other.

    Attributes:
        places: row and column where each begins.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (1, None)
    RESTRICTIONS = "pieces in whole rows that cover the plane; Caffe also lets them overlap and leave gaps"

    places: Places

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``combination_param``."""
        refuse_in_place(source)
        p = source.combination_param
        return cls(_places(p.ycoord, p.xcoord, source.bottoms))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The plane ends where the last bottom does."""
        first = bottoms[0]
        alike = all(len(x) == 4 and x[:2] == first[:2] for x in bottoms)
        require(alike, "its bottoms must be 4-D, with as many items and channels as the first")
        (y, x), (high, wide) = self.places[-1], fixed(bottoms[-1][2:])
        self._rows(bottoms, (y + high, x + wide))
        return ((*first[:2], y + high, x + wide),)

    def _rows(self, bottoms: Shapes, plane: tuple[int, int]) -> list[list[int]]:
        """The bottoms' numbers by row, from the left.

        Raises:
            UnsupportedError: they do not cover the plane in rows.
        """
        order = sorted(range(len(bottoms)), key=lambda i: self.places[i])
        rows = [list(row) for _, row in groupby(order, key=lambda i: self.places[i][0])]
        bottom = 0
        for row in rows:
            sizes = [fixed(bottoms[i][2:]) for i in row]
            starts = [sum(wide for _, wide in sizes[:k]) for k in range(len(row) + 1)]
            fits = [(bottom, start) for start in starts[:-1]] == [self.places[i] for i in row] and starts[-1] == plane[
                1
            ]
            if not fits or len({high for high, _ in sizes}) > 1:
                raise UnsupportedError("its bottoms do not cover the plane in rows without gaps and overlaps")
            bottom += sizes[0][0]
        if bottom != plane[0]:
            raise UnsupportedError("its bottoms do not cover the plane in rows without gaps and overlaps")
        return rows

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Concat of rows of Concat."""
        shapes = tuple(t.shape for t in x)
        plane: Shape = self.shapes(shapes)[0][2:]
        high, wide = fixed(plane)
        rows = [_joined(e, [x[i].name for i in row], 3) for row in self._rows(shapes, (high, wide))]
        return [_joined(e, rows, 2)]


def _joined(e: Emitter, names: list[str], axis: int) -> str:
    return str(e.op("Concat", *names, axis=axis))


def _places(rows: Sequence[int], columns: Sequence[int], count: int) -> Places:
    """Of so many pieces; Caffe passes over what is too much.

    Raises:
        InvalidNetError: there are fewer.
    """
    require(len(rows) >= count and len(columns) >= count, f"{count} pieces need as many of xcoord and of ycoord")
    return tuple((int(y), int(x)) for y, x in zip(rows[:count], columns[:count], strict=True))


LAYERS: dict[str, type[Layer]] = {"Division": Division, "Combination": Combination}
