"""DetectionOutput of synopsys-caffe (its detection_output_layer.cpp) whose bottoms are not concatenated: one for each map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.detect.output import FIELDS, PARTS, RATIOS, DetectionOutput
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Shape

    Sizes = Sequence[tuple[int, int]]


def is_parted(p: Any, bottoms: int) -> bool:
    """Whether it is the fork's layer with ``detection_output_param`` and so many bottoms: as many as there are maps, or more."""
    return bool(bottoms >= p.nbottom or p.arm_conf_no_concat or p.arm_loc_no_concat)


@dataclass(frozen=True, slots=True)
class PartedOutput(Layer):
    """SSD's head for N maps: N confidences, N locations, then the prior boxes of all maps, or those of each.

    With ``no_permute`` a confidence is (1, classes, boxes of a cell, cells), a location (1, 4·boxes of a cell, rows,
    columns), as a Softmax and a Convolution leave them, and RefineDet's N objectnesses and N refinements may follow. With
    ``ratio_permute`` both are vectors of (classes, boxes) and (4, boxes). Without, vectors as SSD's Permute and Flatten
    leave them. All are joined in SSD's order.

    Attributes:
        head: SSD's or RefineDet's, for the bottoms once joined.
        maps: N.
        planes: whether ``no_permute``.
        columns: whether ``ratio_permute``.
        ratios: with ``ratio_permute``, boxes of a cell of each map.
    """

    head: DetectionOutput
    maps: int
    planes: bool
    columns: bool
    ratios: tuple[int, ...]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``."""
        p, refined = source.detection_output_param, _is_refined(source)
        require(not (p.no_permute and p.ratio_permute), "no_permute and ratio_permute are given together")
        _check_count(p, source.bottoms, refined=refined)
        permuted = p.no_permute or p.ratio_permute
        only(
            p, (*FIELDS, *PARTS, *(("arm_conf_no_concat", "arm_loc_no_concat", "objectness_score") if refined else ()))
        )
        shared = "no_permute and ratio_permute need share_location; else Caffe aborts or reads other boxes' numbers"
        require(p.share_location or not permuted, shared)
        ratios: tuple[int, ...] = ()
        if p.ratio_permute and source.bottoms == 2 * p.nbottom + 1:
            require(p.nbottom <= len(RATIOS), f"there are ratio0 to ratio5 for {p.nbottom} maps")
            ratios = tuple(getattr(p, name) for name in RATIOS[: p.nbottom])
            require(all(ratio > 0 for ratio in ratios), "ratio0 to ratio5 must be above 0")
        head = DetectionOutput.of(source.definition.name, p, refined=refined)
        return cls(head, p.nbottom, p.no_permute, p.ratio_permute, ratios)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for(f"synopsys-caffe's DetectionOutput of {self.maps} maps", f"by its {len(bottoms)} bottoms")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 1, rows, 7)."""
        return self.head.shapes(self._joined(bottoms))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Reshape, Transpose, Gather and Concat in front of SSD's."""
        shapes = tuple(t.shape for t in x)
        sizes, n = self._sizes(shapes), self.maps
        priors = x[2 * n : 2 * n + self._prior_bottoms(len(x))]
        names = [self._locations(e, x[n : 2 * n], sizes), self._confidences(e, x[:n]), self._priors(e, priors, sizes)]
        if self.head.refined:
            names += [self._objectness(e, x[2 * n + 1 : 3 * n + 1]), self._locations(e, x[3 * n + 1 :], sizes)]
        joined = [
            replace(x[0], name=name, shape=shape) for name, shape in zip(names, self._joined(shapes), strict=True)
        ]
        return self.head.emit(e, joined, w)

    def _joined(self, bottoms: Shapes) -> Shapes:
        """The shapes of SSD's three bottoms, or RefineDet's five."""
        boxes = sum(ratios * cells for ratios, cells in self._sizes(bottoms))
        refined = ((1, boxes, 2), (1, boxes, 4)) if self.head.refined else ()
        return ((1, boxes, self._numbers), (1, boxes, self.head.classes), (1, 2, 4 * boxes), *refined)

    def _sizes(self, bottoms: Shapes) -> Sizes:
        """Boxes of a cell, and cells, of each map, after all checks; one cell box where that is not told."""
        shapes = [_four(shape) for shape in bottoms]
        require(shapes[0][0] == 1, f"the fork reads the first image only; the batch must be 1, not {shapes[0][0]}")
        measure = self._of_planes if self.planes else self._of_vectors
        sizes = [measure(n, shapes) for n in range(self.maps)]
        boxes = [ratios * cells for ratios, cells in sizes]
        count = self._prior_bottoms(len(bottoms))
        found = [shape[2] for shape in shapes[2 * self.maps : 2 * self.maps + count]]
        wanted = [sum(boxes)] if count == 1 else boxes
        require(found == [4 * n for n in wanted], f"the priors of {wanted} boxes must have 4 numbers each, not {found}")
        return sizes

    def _prior_bottoms(self, bottoms: int) -> int:
        return self.maps if bottoms == 3 * self.maps else 1

    @property
    def _numbers(self) -> int:
        return 4 if self.head.shared else 4 * self.head.classes

    def _of_planes(self, n: int, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
        location = shapes[self.maps + n]
        ratios, cells = location[1] // 4, location[2] * location[3]
        told = f"bottoms {n} and {self.maps + n} are {show(shapes[n])} and {show(location)}, which do not fit"
        require(location == (1, 4 * ratios, *location[2:]) and shapes[n] == (1, self.head.classes, ratios, cells), told)
        if self.head.refined:
            likely, again = shapes[2 * self.maps + 1 + n], shapes[3 * self.maps + 1 + n]
            least = self._object + 1
            fits = likely[0] == 1 and likely[1] >= least and likely[2:] == (ratios, cells)
            require(
                fits, f"the objectness must have at least {least} channels of {ratios}x{cells}; it is {show(likely)}"
            )
            require(again == location, f"the refinement is {show(again)}, the location {show(location)}")
        return ratios, cells

    @property
    def _object(self) -> int:
        """The channel of "object", as the fork has it."""
        return self.head.classes % 2 + 1

    def _objectness(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """(1, boxes, 2), as RefineDet has it: the second is that of "object"."""
        channels = [self._object - 1], [self._object + 1]
        return _by_box(e, [replace(t, name=e.slice(t.name, *channels, [1]), shape=(1, 2, *t.shape[2:])) for t in x], 2)

    def _of_vectors(self, n: int, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
        boxes = shapes[n][1] // self.head.classes
        wanted = (1, boxes * self._numbers, 1, 1)
        fits = shapes[n] == (1, boxes * self.head.classes, 1, 1) and shapes[self.maps + n] == wanted
        told = f"bottoms {n} and {self.maps + n} are {show(shapes[n])} and {show(shapes[self.maps + n])}"
        require(fits, f"{told}; they must be vectors of {self.head.classes} confidences and 4 numbers for a box")
        ratio = self.ratios[n] if self.ratios else 1
        require(boxes % ratio == 0, f"bottom {n} has {boxes} boxes, which ratio{n}, {ratio}, does not divide")
        return ratio, boxes // ratio

    def _confidences(self, e: Emitter, x: Sequence[Tensor]) -> str:
        """(1, boxes, classes)."""
        if self.planes or self.columns:
            return _by_box(e, x, self.head.classes)
        return _concat(e, [_cut(e, t, (1, _count(t) // self.head.classes, self.head.classes)) for t in x], 1)

    def _locations(self, e: Emitter, x: Sequence[Tensor], sizes: Sizes) -> str:
        """(1, boxes, numbers)."""
        if self.columns:
            return _by_box(e, x, 4)
        if self.planes:
            cut = [_cut(e, t, (1, ratios, 4, cells)) for t, (ratios, cells) in zip(x, sizes, strict=True)]
            turned = [
                replace(t, name=e.op("Transpose", name, perm=[0, 1, 3, 2])) for name, t in zip(cut, x, strict=True)
            ]
            return _concat(e, [e.op("Reshape", t.name, e.ints([1, _count(t) // 4, 4], "shape")) for t in turned], 1)
        return _concat(e, [_cut(e, t, (1, _count(t) // self._numbers, self._numbers)) for t in x], 1)

    def _priors(self, e: Emitter, x: Sequence[Tensor], sizes: Sizes) -> str:
        """(1, 2, 4·boxes)."""
        boxes = sum(ratios * cells for ratios, cells in sizes)
        if not self.planes and not self.columns:
            return _concat(e, [_cut(e, t, (1, 2, _count(t) // 2)) for t in x], 2)
        if len(x) == 1:
            # The boxes come in the locations' order, their variances stay in that of the bottom.
            near, variances = e.split(_cut(e, x[0], (2, boxes, 4)), [1, 1], 0)
            turned = e.op("Concat", e.op("Gather", near, e.ints(_by_ratio(sizes), "order"), axis=1), variances, axis=0)
        else:
            halves = [_cut(e, t, (2, 4, _count(t) // 8)) for t in x]
            turned = e.op("Transpose", _concat(e, halves, 2), perm=[0, 2, 1])
        return str(e.op("Reshape", turned, e.ints([1, 2, 4 * boxes], "shape")))


def _is_refined(source: Source) -> bool:
    p = source.detection_output_param
    if not p.arm_conf_no_concat and not p.arm_loc_no_concat:
        return False
    both = p.arm_conf_no_concat and p.arm_loc_no_concat and p.no_permute
    require(both, "arm_conf_no_concat and arm_loc_no_concat go together, and with no_permute")
    return True


def _check_count(p: Any, bottoms: int, *, refined: bool) -> None:
    maps = p.nbottom
    require(maps > 0, f"nbottom must be above 0, not {maps}")
    wanted = [4 * maps + 1] if refined else [2 * maps + 1] if p.no_permute or maps == 1 else [2 * maps + 1, 3 * maps]
    told = " or ".join(map(str, wanted))
    require(bottoms in wanted, f"it has {bottoms} bottoms; with one for each of {maps} maps (nbottom) it takes {told}")


def _by_box(e: Emitter, x: Sequence[Tensor], rows: int) -> str:
    """(1, boxes, rows) of several (rows, boxes of a map)."""
    joined = _concat(e, [_cut(e, t, (1, rows, _count(t) // rows)) for t in x], 2)
    return str(e.op("Transpose", joined, perm=[0, 2, 1]))


def _by_ratio(sizes: Sizes) -> list[int]:
    """Places of the boxes of all maps, told cell by cell, when each map's are told ratio by ratio."""
    found, first = [], 0
    for ratios, cells in sizes:
        found += (np.arange(ratios * cells).reshape(cells, ratios).T.ravel() + first).tolist()
        first += ratios * cells
    return found


def _cut(e: Emitter, x: Tensor, shape: Shape) -> str:
    return e.reshape(x.name, x.shape, shape)


def _concat(e: Emitter, parts: list[str], axis: int) -> str:
    return str(e.op("Concat", *parts, axis=axis)) if len(parts) > 1 else parts[0]


def _count(x: Tensor) -> int:
    return fixed((volume(x.shape),))[0]


def _four(shape: Shape) -> tuple[int, int, int, int]:
    """Caffe's num, channels, height and width."""
    n, c, h, w = fixed((*shape, 1, 1, 1, 1)[:4])
    return n, c, h, w
