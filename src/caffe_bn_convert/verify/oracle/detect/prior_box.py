"""PriorBox of SSD (prior_box_layer.cpp of the SSD branch)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect, legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer

# What some forks add and give a meaning of their own: no rule here covers it.
_OTHER_DIALECTS = ("reduce_boxes", "p_type")
_SYNOPSYS = ("faceboxes", "tf", "keras", "yx_order")


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the boxes stand: one row of them per cell of a feature map.

    Attributes:
        centre_x: centres of the columns, in pixels of the image.
        centre_y: centres of the rows.
        width: the image's width in pixels.
        height: the image's height.
    """

    centre_x: Array
    centre_y: Array
    width: int
    height: int


def _image(given: Fields, bottoms: list[Array]) -> tuple[int, int]:
    """Height and width: ``img_h`` and ``img_w``, else ``img_size``, else those of the second bottom."""
    side = given.integer("img_size", 0)
    height, width = given.integer("img_h", side), given.integer("img_w", side)
    return (height, width) if height and width else legacy_shape(bottoms[1])[2:]


def grid(given: Fields, bottoms: list[Array], offset: float) -> Grid:
    """The cells' centres, all in float32 as in Caffe; ``step`` defaults to image size through map size."""
    expect_map = legacy_shape(bottoms[0])
    rows, columns = expect_map[2:]
    height, width = _image(given, bottoms)
    side = given.number("step", 0)
    step_h, step_w = given.number("step_h", side), given.number("step_w", side)
    if not step_h or not step_w:
        step_h, step_w = height / rows, width / columns
    centre = [
        (np.arange(count, dtype=np.float32) + np.float32(offset)) * np.float32(step)
        for count, step in ((columns, step_w), (rows, step_h))
    ]
    return Grid(centre[0], centre[1], width, height)


def ratios(given: Fields) -> list[float]:
    """1, then each ratio (and its inverse with ``flip``) that isn't there yet to within 1e-6."""
    found, flip = [1.0], given.flag("flip", default=True)
    for ratio in given.numbers("aspect_ratio"):
        if all(abs(ratio - other) >= 1e-6 for other in found):
            found += [ratio, float(np.float32(1 / ratio))] if flip else [ratio]
    return found


def _sizes(given: Fields, *, whole: bool) -> list[tuple[float, float]]:
    """Width and height of the boxes of one cell; ``whole`` sizes are cut to integers (``int min_size_ = min_sizes_[s]``)."""
    small, large = given.numbers("min_size"), given.numbers("max_size")
    if not small or (large and len(large) != len(small)) or min(small) <= 0:
        raise InvalidNetError("PriorBox needs a positive min_size, and as many max_size as min_size or none")
    sizes = []
    for index, exact in enumerate(small):
        size = int(exact) if whole else exact
        sizes.append((float(size), float(size)))
        if large:
            side = float(np.float32(np.sqrt(float(size * (int(large[index]) if whole else large[index])))))
            sizes.append((side, side))
        roots = [float(np.sqrt(np.float32(ratio))) for ratio in ratios(given) if abs(ratio - 1) >= 1e-6]
        sizes += [(float(np.float32(size * root)), float(np.float32(size / root))) for root in roots]
    return sizes


def variances(given: Fields) -> list[float]:
    """Four variances; one stands for all, none for 0.1."""
    found = given.numbers("variance") or [float(np.float32(0.1))]
    if len(found) not in (1, 4) or min(found) <= 0:
        raise InvalidNetError(f"PriorBox takes 1 or 4 positive variances, not {found}")
    return found * 4 if len(found) == 1 else found


def boxes_on(where: Grid, sizes: list[tuple[float, float]], dtype: np.dtype[np.generic]) -> Array:
    """Boxes (rows, columns, sizes, 4) as corners relative to the image, x first; doubles made of float32 numbers."""
    box = np.array(sizes, np.float64)
    x = where.centre_x.astype(np.float64)[None, :, None]
    y = where.centre_y.astype(np.float64)[:, None, None]
    half_w, half_h = box[:, 0] / 2, box[:, 1] / 2
    shape = (len(where.centre_y), len(where.centre_x), len(sizes))
    corners = [(x - half_w) / where.width, (y - half_h) / where.height]
    corners += [(x + half_w) / where.width, (y + half_h) / where.height]
    return np.stack([np.broadcast_to(corner, shape) for corner in corners], axis=-1).astype(dtype)


def with_variances(boxes: Array, given: Fields, *, clip: bool = False) -> list[Array]:
    """The top (1, 2, boxes·4): boxes (clipped to 0…1 with ``clip``), then their variances.

    Args:
        boxes: corners.
        given: the parameters.
        clip: what ``clip`` is by default.
    """
    if given.flag("clip", default=clip):
        boxes = np.clip(boxes, 0, 1)
    spread = np.broadcast_to(np.array(variances(given), boxes.dtype), boxes.shape)
    return [np.stack([boxes.reshape(-1), spread.reshape(-1)])[None]]


def _by_opencv(given: Fields, bottoms: list[Array], dtype: np.dtype[np.generic]) -> list[Array]:
    """OpenCV's reader of Caffe (its prior_box_layer.cpp): sizes are not cut, and ``clip`` is on unless it is off.

    Every size has a box at each pair of ``offset_h`` and ``offset_w``, one behind the other.
    """
    down, across = given.numbers("offset_h"), given.numbers("offset_w")
    if len(down) != len(across) or len(down) > 2 or given.has("offset"):
        raise InvalidNetError("offset_h and offset_w go in one or two pairs, without offset")
    for name in ("min_size", "max_size"):
        if len(given.values(name)) > 1:
            raise InvalidNetError(f"OpenCV reads one {name} only")
    if any(given.has(name) for name in ("img_size", "img_h", "img_w", "denser_prior_boxes")):
        raise InvalidNetError("OpenCV has no img_size, img_h, img_w or denser_prior_boxes")
    sizes = _sizes(given, whole=False)
    places = []
    for y, x in zip(down, across, strict=True):
        columns, rows = grid(given, bottoms, x), grid(given, bottoms, y)
        places.append(boxes_on(replace(columns, centre_y=rows.centre_y), sizes, dtype))
    return with_variances(np.stack(places, axis=3), given, clip=True)


def _by_faceboxes(given: Fields, bottoms: list[Array], dtype: np.dtype[np.generic]) -> list[Array]:
    """FaceBoxes' (its prior_box_layer.cpp): of each ``fixed_size`` and ratio density² boxes, row by row, spread over a cell.

    The top-left corner is never below 0, the other never above 1.
    """
    many, fixed_ratios = given.numbers("density"), given.numbers("fixed_ratio")
    fixed_sizes = given.numbers("fixed_size")
    if len(many) != len(fixed_sizes) or len(fixed_ratios) > 1 or (fixed_ratios and given.has("aspect_ratio")):
        raise InvalidNetError("as many density as fixed_size, and one fixed_ratio or aspect_ratio")
    if any(given.has(name) for name in ("min_size", "max_size", "denser_prior_boxes")) or not fixed_sizes:
        raise InvalidNetError("fixed_size goes without min_size, max_size and denser_prior_boxes")
    cells, boxes = grid(given, bottoms, given.number("offset", 0.5)), []
    for exact, times in zip(fixed_sizes, many, strict=True):
        size, density = int(exact), int(times)
        step = int(np.float32(exact) / np.float32(density))
        sides = [] if fixed_ratios else [(float(size), float(size))]
        for ratio in fixed_ratios or [ratio for ratio in ratios(given) if abs(ratio - 1) >= 1e-6]:
            root = np.sqrt(np.float32(ratio))
            sides.append((float(np.float32(exact) * root), float(np.float32(exact) / root)))
        for side in sides:
            for row in range(density):
                for column in range(density):
                    x, y = (
                        ((centre - np.float32(size // 2)).astype(np.float64) + step / 2.0 + at * step).astype(
                            np.float32
                        )
                        for centre, at in ((cells.centre_x, column), (cells.centre_y, row))
                    )
                    boxes.append(boxes_on(replace(cells, centre_x=x, centre_y=y), [side], dtype))
    all_of_a_cell = np.concatenate(boxes, axis=2)
    near, far = np.maximum(all_of_a_cell[..., :2], 0), np.minimum(all_of_a_cell[..., 2:], 1)
    return with_variances(np.concatenate([near, far], axis=-1), given)


def _keras_ratios(given: Fields) -> list[float]:
    """1, all ratios, then with ``flip`` all inverses; what is there to within 1e-6 does not come again."""
    found, told = [1.0], given.numbers("aspect_ratio")
    if given.flag("flip", default=True):
        told = told + [float(np.float32(1 / ratio)) for ratio in told]
    for ratio in told:
        if all(abs(ratio - other) >= 1e-6 for other in found):
            found.append(ratio)
    return found


def _squares(size: int, *, inset: bool, faces: bool) -> list[tuple[float, float, float, int, int]]:
    if not faces:
        return [(float(size), float(size), 0.05 if inset and size == 60 else 0.0, 0, 0)]
    reach, pixels = {32: (2, 8), 64: (1, 16)}.get(size, (0, 0))
    places = range(-reach, reach) if reach else range(1)
    return [(float(size - 1), float(size - 1), 0.0, j * pixels, i * pixels) for i in places for j in places]


def _synopsys_boxes(given: Fields) -> list[tuple[float, float, float, int, int]]:
    """What the loops of the fork write for a cell: width, height, ``inset``, and how far the centre is moved in x and y."""
    if given.has("box_width"):
        widths, heights = given.numbers("box_width"), given.numbers("box_height")
        if len(widths) != len(heights):
            raise InvalidNetError("there must be as many box_width as box_height")
        return [(width, height, 0.0, 0, 0) for width, height in zip(widths, heights, strict=True)]
    tf, keras, faces = (given.flag(name, default=False) for name in ("tf", "keras", "faceboxes"))
    small, large = given.numbers("min_size"), given.numbers("max_size")
    if not small or (large and len(large) != len(small)):
        raise InvalidNetError("PriorBox needs min_size, and as many max_size as min_size or none")
    written: list[tuple[float, float, float, int, int]] = []
    for index, exact in enumerate(small):
        size = int(exact)
        square = _squares(size, inset=tf and not keras, faces=faces and not keras)
        mean = []
        if large:
            side = float(np.float32(np.sqrt(float(size * int(large[index])))))
            mean = [(side, side, 0.0, 0, 0)]
        rest = []
        for ratio in _keras_ratios(given) if keras else ratios(given):
            if abs(ratio - 1) >= 1e-6:
                root = float(np.sqrt(np.float32(ratio)))
                rest.append((float(np.float32(size * root)), float(np.float32(size / root)), 0.0, 0, 0))
        written += mean + square + rest if keras else square + rest + mean if tf else square + mean + rest
    room = 21 if faces and len(small) == 3 else len(small) * len(_keras_ratios(given) if keras else ratios(given))
    if len(written) != room + len(large):
        raise InvalidNetError(f"the fork writes {len(written)} boxes into room for {room + len(large)}")
    return written


def _by_synopsys(given: Fields, bottoms: list[Array], dtype: np.dtype[np.generic]) -> list[Array]:
    """synopsys-caffe's (its prior_box_layer.cpp): orders of TensorFlow and Keras, given sides, FaceBoxes' places, y first."""
    cells, boxes = grid(given, bottoms, given.number("offset", 0.5)), []
    for width, height, inset, right, down in _synopsys_boxes(given):
        x = (cells.centre_x + np.float32(right)).astype(np.float64)[None, :]
        y = (cells.centre_y + np.float32(down)).astype(np.float64)[:, None]
        corners = [(x - width / 2) / cells.width + inset, (y - height / 2) / cells.height + inset]
        corners += [(x + width / 2) / cells.width - inset, (y + height / 2) / cells.height - inset]
        if given.flag("yx_order", default=False):
            corners = [corners[1], corners[0], corners[3], corners[2]]
        boxes.append(np.stack(np.broadcast_arrays(*corners), axis=-1).astype(dtype))
    return with_variances(np.stack(boxes, axis=2), given)


def prior_box(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``PriorBox``: per cell and min_size its square, the square of the mean with max_size, then the ratios.

    With ``denser_prior_boxes`` (prior_box_layer.cpp of TextBoxes++) behind each box the same one on the cell's lower edge.
    """
    given = fields(layer, "prior_box_param")
    expect(layer, bottoms, 2)
    other = [name for name in _OTHER_DIALECTS if given.has(name)]
    if other:
        raise UnsupportedError(f"prior_box_param.{other[0]} is another fork's dialect of PriorBox")
    if given.has("offset_h") or given.has("offset_w"):
        return _by_opencv(given, bottoms, layer.dtype)
    if given.has("fixed_size") or given.has("fixed_ratio") or given.has("density"):
        return _by_faceboxes(given, bottoms, layer.dtype)
    if given.has("box_width") or any(given.flag(name, default=False) for name in _SYNOPSYS):
        return _by_synopsys(given, bottoms, layer.dtype)
    where, sizes = grid(given, bottoms, given.number("offset", 0.5)), _sizes(given, whole=True)
    boxes = boxes_on(where, sizes, layer.dtype)
    if given.flag("denser_prior_boxes", default=False):
        lower = replace(where, centre_y=grid(given, bottoms, 1.0).centre_y)
        boxes = np.stack([boxes, boxes_on(lower, sizes, layer.dtype)], axis=3)
    return with_variances(boxes, given)


def prior_box_clustered(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``PriorBoxClustered`` of OpenVINO's forks (prior_box_clustered_layer.cpp): the given widths and heights, not cut."""
    given = fields(layer, "prior_box_param")
    expect(layer, bottoms, 2)
    widths, heights = given.numbers("width"), given.numbers("height")
    if not widths or len(widths) != len(heights) or min(widths) <= 0:
        raise InvalidNetError("PriorBoxClustered needs positive widths and as many heights")
    where = grid(given, bottoms, given.number("offset", 0.5))
    return with_variances(boxes_on(where, list(zip(widths, heights, strict=True)), layer.dtype), given)
