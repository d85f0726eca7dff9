"""SpatialTransformer: samples of a picture at an affine grid (st_layer.cpp of the fork of the same name)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT, INT64
from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import fixed, show, volume
from caffe_bn_convert.net.limits import check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

_THETA = tuple(f"theta_{i}_{j}" for i in (1, 2) for j in (1, 2, 3))


@dataclass(frozen=True, slots=True)
class SpatialTransformer(Layer):
    """Bilinear samples, 0 outside. Rows come first: theta's first line gives the row.

    Cell i of n stands at ``2 i / n - 1``, and -1 … 1 spans 0 … size of the first bottom.

    Attributes:
        size: height and width of the top; None for the first bottom's.
        known: numbers of theta that the prototxt gives; None where the second bottom does.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = "4-D, fixed sizes; affine and bilinear, the only kinds that the fork has"

    size: tuple[int | None, int | None]
    known: tuple[float | None, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``st_param``.

        Raises:
            UnsupportedError: it is of another fork.
        """
        p = source.st_param
        if p.transform_type != "affine" or p.sampler_type != "bilinear":
            raise UnsupportedError("only affine transforms and bilinear samplers exist in the fork that is known")
        only(p, ("transform_type", "sampler_type", "output_H", "output_W", "to_compute_dU", *_THETA))
        size = tuple(int(getattr(p, name)) if p.HasField(name) else None for name in ("output_H", "output_W"))
        require(all(n is None or n > 0 for n in size), "output_H and output_W must be above 0")
        known = tuple(float(np.float32(getattr(p, name))) if p.HasField(name) else None for name in _THETA)
        return cls((size[0], size[1]), known)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """The first bottom's, with the height and width of the grid."""
        x, theta = bottoms
        require(len(x) == 4, f"it takes 4-D blobs, its bottom has {len(x)} axes")
        wanted = self.known.count(None)
        fits = len(theta) > 0 and theta[0] == x[0] and volume(theta[1:]) == wanted
        require(fits, f"theta must be {show((x[0], wanted))}, it is {show(theta)}")
        return ((*x[:2], self.size[0] or x[2], self.size[1] or x[3]),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("the SpatialTransformer with st_param, whose grid has rows first", "by its fields")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """MatMul for the grid; four GatherElements and their weights (GridSample is newer than opset 13)."""
        n, _, height, width = fixed(x[0].shape)
        top = fixed(self.shapes(tuple(t.shape for t in x))[0])
        cells = top[2] * top[3]
        check_constant(3 * cells, "its grid")
        rows, columns = np.mgrid[: top[2], : top[3]].reshape(2, cells)
        grid = np.stack([rows / top[2] * 2 - 1, columns / top[3] * 2 - 1, np.ones(cells)])
        theta = e.op("Reshape", self._theta(e, x[1], n), e.ints([n, 2, 3], "shape"))
        place = e.op("Add", e.op("MatMul", theta, e.constant(grid, "grid")), e.constant(1.0, "one"))
        place = e.op("Mul", e.op("Div", place, e.constant(2.0, "two")), e.constant([[height], [width]], "sizes"))
        down, across = e.split(place, [1, 1], 1)
        plane = e.reshape(x[0].name, x[0].shape, (*top[:2], height * width))
        value = sampled(e, plane, down, across, (height, width), (top[0], top[1], cells))
        return [e.op("Reshape", value, e.ints(top, "shape"))]

    def _theta(self, e: Emitter, x: Tensor, n: int) -> str:
        """(n, 6): the given numbers where there are some."""
        given = e.reshape(x.name, x.shape, (n, self.known.count(None)))
        if None not in self.known:
            return e.constant(np.tile(np.array(self.known, np.float32), (n, 1)), "theta")
        parts = iter(e.split(given, [1] * self.known.count(None), 1))
        columns = [next(parts) if k is None else e.constant(np.full((n, 1), k), "theta") for k in self.known]
        return str(e.op("Concat", *columns, axis=1))


def sampled(e: Emitter, plane: str, down: str, across: str, size: tuple[int, int], shape: tuple[int, int, int]) -> str:
    """Bilinear samples of planes; what lies outside counts as 0.

    Args:
        e: where the nodes go.
        plane: (n, channels, height × width).
        down, across: (n, 1, samples), in cells.
        size: height and width.
        shape: n, channels and samples.
    """
    terms = []
    low = [e.op("Floor", place) for place in (down, across)]
    share = [e.op("Sub", place, cell) for place, cell in zip((down, across), low, strict=True)]
    one = e.constant(1.0, "one")
    for row in (0, 1):
        for column in (0, 1):
            cells, weights = [], []
            for i, further in enumerate((row, column)):
                cell = e.op("Add", low[i], one) if further else low[i]
                last = e.constant(float(size[i] - 1), "last")
                clipped = e.op("Clip", cell, e.constant(0.0, "zero"), last)
                weight = share[i] if further else e.op("Sub", one, share[i])
                cells.append(clipped)
                weights.append(e.op("Mul", weight, e.op("Cast", e.op("Equal", clipped, cell), to=FLOAT)))
            index = e.op("Add", e.op("Mul", cells[0], e.constant(float(size[1]), "width")), cells[1])
            index = e.op("Expand", e.op("Cast", index, to=INT64), e.ints(shape, "shape"))
            value = e.op("GatherElements", plane, index, axis=2)
            terms.append(e.op("Mul", value, e.op("Mul", weights[0], weights[1])))
    return str(e.op("Sum", *terms))


LAYERS: dict[str, type[Layer]] = {"SpatialTransformer": SpatialTransformer}
