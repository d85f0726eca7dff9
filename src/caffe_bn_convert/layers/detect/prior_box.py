"""PriorBox: the default boxes of one feature map, a constant (prior_box_layer.cpp of the SSD branch).

Other forks put several boxes of each size into a cell, where SSD has one. TextBoxes++ (its prior_box_layer.cpp) with
``denser_prior_boxes`` has a second one on the cell's lower edge. OpenCV's reader of Caffe (prior_box_layer.cpp of its
module dnn), for which TextBoxes' nets are rewritten, is told the places by ``offset_h`` and ``offset_w``. FaceBoxes' has
``fixed_size`` and ``density``: :mod:`caffe_bn_convert.layers.detect.density`. synopsys-caffe's has other orders:
:mod:`caffe_bn_convert.layers.detect.listed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Layer, Shapes, Source, require
from caffe_bn_convert.layers.detect.density import densities
from caffe_bn_convert.layers.detect.listed import FIELDS as LISTED
from caffe_bn_convert.layers.detect.listed import given_sides, in_order, is_listed
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Shape, fixed, volume
from caffe_bn_convert.net.limits import INT_MAX, check_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.layers.detect.density import Density
    from caffe_bn_convert.layers.detect.listed import Box
    from caffe_bn_convert.lint.finding import Finding

    Array = np.ndarray[Any, Any]

F32 = np.float32
_FIELDS = (
    "min_size", "max_size", "aspect_ratio", "flip", "clip", "variance", "img_size", "img_h", "img_w", "step", "step_h",
    "step_w", "offset", "denser_prior_boxes", "offset_h", "offset_w", "fixed_size", "fixed_ratio", "density", *LISTED,
)  # fmt: skip
TEXTBOXES, OPENCV, FACEBOXES = "TextBoxes++'s PriorBox", "OpenCV's PriorBox", "FaceBoxes' PriorBox"


@dataclass(frozen=True, slots=True)
class PriorBox(Layer):
    """Boxes around every cell of the first bottom, relative to the picture, which is the second bottom's size.

    Attributes:
        sizes: (min_size, max_size) pairs, cut to integers where Caffe does it. max_size is None where there is none.
        ratios: aspect ratios other than 1, each followed by its inverse if ``flip``.
        image: height and width of the picture, None for those of the second bottom.
        step: pixels from cell to cell, down and across, None for picture through map.
        offsets: where in a cell the boxes of each size are centred, down and across, in cells.
        whose: the fork's whose it is, where it is not SSD's, and what told.
        dense: FaceBoxes' or synopsys-caffe's boxes, instead of those of ``sizes``.
        y_first: whether corners are y, x.
    """

    BOTTOMS = (2, 2)
    RESTRICTIONS = (
        "SSD's; TextBoxes++'s with denser_prior_boxes; OpenCV's with offset_h and offset_w; FaceBoxes' with fixed_size; "
        "synopsys-caffe's with tf, keras, yx_order, faceboxes or box_width; a constant, so the sizes of both bottoms must be "
        "fixed"
    )

    sizes: tuple[tuple[float, float | None], ...]
    ratios: tuple[float, ...]
    variance: tuple[float, ...]
    clip: bool
    image: tuple[int, int] | None
    step: tuple[float, float] | None
    offsets: tuple[tuple[float, float], ...]
    whose: tuple[str, str] | None = None
    dense: tuple[Density | Box, ...] = ()
    y_first: bool = False

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``prior_box_param``."""
        p = source.prior_box_param
        only(p, _FIELDS)
        opencv = bool(p.offset_h or p.offset_w)
        require(len(p.variance) in (0, 1, 4), f"variance is given {len(p.variance)} times; it takes 1 or 4")
        require(all(v > 0 for v in p.variance), "variance must be above 0")
        variance = tuple(p.variance) or (0.1,)
        offsets: tuple[tuple[float, float], ...] = ((p.offset, p.offset),)
        whose = None
        if opencv:
            _check_opencv(p)
            offsets, whose = tuple(zip(p.offset_h, p.offset_w, strict=True)), (OPENCV, "by offset_h and offset_w")
        elif p.denser_prior_boxes:
            offsets, whose = (*offsets, (1.0, p.offset)), (TEXTBOXES, "by denser_prior_boxes")
        clip, ratios = p.clip if p.HasField("clip") else opencv, _ratios(p)
        if is_listed(p):
            mixed = whose or p.fixed_size or p.fixed_ratio or p.density
            told = f"by {' and '.join(name for name in LISTED if getattr(p, name))}"
            require(not mixed, f"told {told} it is synopsys-caffe's, the other fields are another fork's")
            boxes = given_sides(p) if p.box_width or p.box_height else in_order(p, _sizes(p, cut=True), ratios)
            whose = ("synopsys-caffe's PriorBox", told)
            return cls((), ratios, variance, clip, image_of(p), step_of(p), offsets, whose, boxes, p.yx_order)
        if p.fixed_size or p.fixed_ratio or p.density:
            require(whose is None, "fixed_size and density are FaceBoxes', the other fields another fork's")
            whose, dense = (FACEBOXES, "by fixed_size and density"), densities(p, ratios)
            return cls((), ratios, variance, clip, image_of(p), step_of(p), offsets, whose, dense)
        return cls(_sizes(p, cut=not opencv), ratios, variance, clip, image_of(p), step_of(p), offsets, whose)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001, where it is not SSD's."""
        if self.whose:
            yield taken_for(*self.whose)

    def _per_cell(self) -> int:
        if self.dense:
            return sum(some.per_cell for some in self.dense)
        return len(self.offsets) * self._sizes_per_cell()

    def _sizes_per_cell(self) -> int:
        squares = sum(1 if large is None else 2 for _, large in self.sizes)
        return squares + len(self.sizes) * len(self.ratios)

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 2, cells × boxes × 4): corners, then variances."""
        height, width = _plane(bottoms[0])
        if self.image is None:
            _plane(bottoms[1])
        return ((1, 2, height * width * self._per_cell() * 4),)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """An initializer."""
        check_constant(int(volume(self.shapes(tuple(t.shape for t in x))[0])), "its boxes")
        boxes = self.boxes(_plane(x[0].shape), self.image or _plane(x[1].shape))
        variance = np.resize(np.array(self.variance, F32), boxes.size)
        return [e.constant(np.stack([boxes.reshape(-1), variance])[None], "priors")]

    def boxes(self, cells: tuple[int, int], image: tuple[int, int]) -> Array:
        """Corners (rows, columns, …, 4), float32; computed and rounded in the order that Caffe does it."""
        corners = self._dense(cells, image) if self.dense else self._each_size(cells, image)
        corners = corners[..., [1, 0, 3, 2]] if self.y_first else corners
        return np.clip(corners, F32(0), F32(1)) if self.clip else corners

    def _dense(self, cells: tuple[int, int], image: tuple[int, int]) -> Array:
        y, x = (self._centres(cells[i], image[i], i)[:, 0].astype(F32) for i in (0, 1))
        return np.concatenate([some.corners(y, x, image) for some in self.dense], axis=2)

    def _each_size(self, cells: tuple[int, int], image: tuple[int, int]) -> Array:
        # Caffe's `/ 2.` makes what follows double; the box's sides have been rounded to float before.
        half = np.array(self._sides(), np.float64)[:, None] / 2
        y, x = (self._centres(cells[i], image[i], i) for i in (0, 1))
        y, x = y[:, None, None], x[None, :, None]
        low = (x - half[..., 0]) / image[1], (y - half[..., 1]) / image[0]
        high = (x + half[..., 0]) / image[1], (y + half[..., 1]) / image[0]
        return np.stack(np.broadcast_arrays(*low, *high), axis=-1).astype(F32)

    def _centres(self, cells: int, size: int, axis: int) -> Array:
        """The boxes' centres in pixels, (cells, offsets), rounded to float32; as float64."""
        step = F32(self.step[axis]) if self.step else F32(size) / F32(cells)
        offsets = np.array([offset[axis] for offset in self.offsets], F32)
        return ((np.arange(cells, dtype=F32)[:, None] + offsets) * step).astype(np.float64)

    def _sides(self) -> list[tuple[Any, Any]]:
        """Width and height of the boxes of a cell: the square, the one between min and max, then the ratios."""
        sides: list[tuple[Any, Any]] = []
        for small, large in self.sizes:
            sides.append((F32(small), F32(small)))
            if large is not None:
                sides.append((F32(np.sqrt(small * large)),) * 2)
            roots = [np.sqrt(F32(ratio)) for ratio in self.ratios]
            sides += [(F32(small) * root, F32(small) / root) for root in roots]
        return sides


def _plane(shape: Shape) -> tuple[int, int]:
    # Blob::height and width: a blob of fewer than four axes has ones behind.
    height, width = fixed((*shape, 1, 1, 1, 1)[2:4])
    require(height * width > 0, "its bottoms must not be empty")
    return height, width


def _sizes(p: Any, *, cut: bool) -> tuple[tuple[float, float | None], ...]:
    require(len(p.min_size) > 0, "prior_box_param needs min_size")
    require(all(size > 0 for size in p.min_size), "min_size must be above 0")
    require(all(size <= INT_MAX for size in (*p.min_size, *p.max_size)), f"min_size or max_size is above {INT_MAX}")
    small, large = ([int(size) if cut else size for size in sizes] for sizes in (p.min_size, p.max_size))
    if not large:
        return tuple((size, None) for size in small)
    require(len(p.max_size) == len(p.min_size), f"there are {len(p.min_size)} min_size but {len(p.max_size)} max_size")
    require(all(b > a for a, b in zip(p.min_size, p.max_size, strict=True)), "max_size must be above min_size")
    return tuple(zip(small, large, strict=True))


def _check_opencv(p: Any) -> None:
    """What OpenCV checks, or passes over while SSD does not."""
    require(len(p.offset_h) == len(p.offset_w), f"there are {len(p.offset_h)} offset_h but {len(p.offset_w)} offset_w")
    require(not p.HasField("offset"), "offset is given with offset_h and offset_w; OpenCV takes either")
    require(len(p.offset_h) <= 2, f"OpenCV miscounts the boxes of {len(p.offset_h)} offsets; it takes up to 2")
    require(len(p.min_size) == 1 and len(p.max_size) <= 1, "OpenCV takes one min_size and one max_size")
    unread = [name for name in ("img_size", "img_h", "img_w", "denser_prior_boxes") if p.HasField(name)]
    require(not unread, f"OpenCV, whose offset_h and offset_w are, does not read {', '.join(unread)}")


def _ratios(p: Any) -> tuple[float, ...]:
    found = [1.0]
    for ratio in p.aspect_ratio:
        require(ratio > 0, "aspect_ratio must be above 0")
        if all(abs(ratio - other) >= 1e-6 for other in found):
            found += [ratio, float(F32(1.0 / ratio))] if p.flip else [ratio]
    return tuple(ratio for ratio in found if abs(ratio - 1) >= 1e-6)


def image_of(p: Any) -> tuple[int, int] | None:
    """Height and width of the picture, if ``prior_box_param`` tells them."""
    if p.HasField("img_h") or p.HasField("img_w"):
        require(not p.HasField("img_size"), "img_size and img_h/img_w are given together; Caffe takes either")
        require(p.img_h > 0 and p.img_w > 0, "img_h and img_w must both be above 0")
        return p.img_h, p.img_w
    require(not p.HasField("img_size") or p.img_size > 0, "img_size must be above 0")
    return (p.img_size, p.img_size) if p.HasField("img_size") else None


def step_of(p: Any) -> tuple[float, float] | None:
    """The pixels from cell to cell, down and across, if ``prior_box_param`` tells them."""
    if p.HasField("step_h") or p.HasField("step_w"):
        require(not p.HasField("step"), "step and step_h/step_w are given together; Caffe takes either")
        require(p.step_h > 0 and p.step_w > 0, "step_h and step_w must both be above 0")
        return p.step_h, p.step_w
    require(not p.HasField("step") or p.step > 0, "step must be above 0")
    return (p.step, p.step) if p.HasField("step") else None
