"""The bottoms of synopsys-caffe's DetectionOutput (its detection_output_layer.cpp), gathered as its loops read them.

Every loop reads flat memory and starts anew at the first image, whatever image it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.layer import legacy_shape

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array


@dataclass(frozen=True, slots=True)
class _Parts:
    count: int
    classes: int
    location_classes: int
    by_ratio: bool  # ratio_permute
    planes: bool  # no_permute

    def locations(self, bottoms: list[Array]) -> Array:
        """(boxes, location classes, 4) of all maps."""
        return np.concatenate([self._location(bottom) for bottom in bottoms])

    def _location(self, bottom: Array) -> Array:
        data, (_, channels, height, width) = bottom.reshape(-1), legacy_shape(bottom)
        boxes, label, corner = (
            channels // 4 // self.location_classes,
            np.arange(self.location_classes)[:, None],
            np.arange(4),
        )
        if self.planes:
            cells = height * width
            ratio, cell = np.divmod(np.arange(boxes * cells), cells)
            start = (ratio * self.location_classes * 4 * cells + cell)[:, None, None]
            return np.asarray(data[start + label * 4 * cells + corner * cells])
        prior = np.arange(boxes)[:, None, None]
        if self.by_ratio:
            return np.asarray(data[prior * self.location_classes + label * boxes + corner * boxes])
        return np.asarray(data[prior * self.location_classes * 4 + label * 4 + corner])

    def confidences(self, bottoms: list[Array]) -> Array:
        """(boxes, classes) of all maps."""
        return np.concatenate([self._confidence(bottom) for bottom in bottoms])

    def _confidence(self, bottom: Array) -> Array:
        data, (_, channels, height, width) = bottom.reshape(-1), legacy_shape(bottom)
        label = np.arange(self.classes)
        if self.planes:
            return np.asarray(data[label * height * width + np.arange(height * width)[:, None]])
        boxes = channels // self.classes
        prior = np.arange(boxes)[:, None]
        return np.asarray(data[prior + label * boxes] if self.by_ratio else data[prior * self.classes + label])

    def likely(self, bottoms: list[Array]) -> Array:
        """(boxes, 1): the objectness of all maps, from the channel ``num_classes % 2 + 1``."""
        found = []
        for bottom in bottoms:
            _, channels, height, width = legacy_shape(bottom)
            channel = self.classes % 2 + 1
            if channel >= channels:
                raise InvalidNetError(f"the fork reads the objectness from channel {channel} of {channels}")
            found.append(bottom.reshape(-1)[channel * height * width :][: height * width])
        return np.concatenate(found)[:, None]

    def priors(self, bottom: Array, counts: list[tuple[int, int]]) -> Array:
        """(2, boxes, 4) from one bottom: the boxes of each map ratio by ratio, their variances as they stand.

        Args:
            bottom: the prior boxes of all maps.
            counts: boxes of each map, and how many of them a cell has.
        """
        rows = bottom.reshape(2, -1, 4)
        if not self.by_ratio and not self.planes:
            return rows
        order, before = [], 0
        for count, ratios in counts:
            if ratios < 1 or count % ratios:
                raise InvalidNetError(f"{count} boxes are not those of cells with {ratios}")
            number, cells = np.arange(count), count // ratios
            order.append(number % cells * ratios + number // cells + before)
            before += count
        return np.stack([rows[0][np.concatenate(order)], rows[1][:before]])

    def priors_of_each(self, bottoms: list[Array]) -> Array:
        """(2, boxes, 4) from a bottom of each map; with ``ratio_permute`` all first corners come first."""
        found = []
        for bottom in bottoms:
            count = legacy_shape(bottom)[2] // 4
            found.append(
                bottom.reshape(2, 4, count).transpose(0, 2, 1) if self.by_ratio else bottom.reshape(2, count, 4)
            )
        return np.concatenate(found, axis=1)


def is_parted(given: Fields, bottoms: int) -> bool:
    """Whether LayerSetUp finds less than everything concatenated; ``nbottom`` is 6 unless it is given."""
    arms = given.flag("arm_conf_no_concat", default=False), given.flag("arm_loc_no_concat", default=False)
    return any(arms) or bottoms >= given.integer("nbottom", 6)


def joined(given: Fields, bottoms: list[Array], classes: int, *, shared: bool) -> list[Array]:
    """SSD's three bottoms (locations, confidences, priors), or RefineDet's five, of one image.

    Raises:
        InvalidNetError: the fork aborts, or reads what is not there.
    """
    count = given.integer("nbottom", 6)
    by_ratio, planes = given.flag("ratio_permute", default=False), given.flag("no_permute", default=False)
    arms = given.flag("arm_conf_no_concat", default=False), given.flag("arm_loc_no_concat", default=False)
    of_each = len(bottoms) == 3 * count and count > 1
    fits = len(bottoms) == 4 * count + 1 and planes if all(arms) else of_each or len(bottoms) == 2 * count + 1
    if any(arms) != all(arms) or not fits or (planes and by_ratio) or (planes and of_each):
        raise InvalidNetError(f"{len(bottoms)} bottoms of DetectionOutput have no meaning with these fields")
    if (planes or by_ratio) and not shared:
        raise InvalidNetError("no_permute and ratio_permute need share_location")
    _check(bottoms[:count], bottoms[count : 2 * count], classes, 1 if shared else classes, planes=planes)
    parts = _Parts(count, classes, 1 if shared else classes, by_ratio, planes)
    location, confidence = parts.locations(bottoms[count : 2 * count]), parts.confidences(bottoms[:count])
    if of_each:
        prior = parts.priors_of_each(bottoms[2 * count :])
    else:
        prior = parts.priors(bottoms[2 * count], _counts(given, bottoms[count : 2 * count], planes=planes))
    tops = [location[None], confidence[None], prior.reshape(1, 2, -1)]
    if all(arms):
        likely = parts.likely(bottoms[2 * count + 1 : 3 * count + 1])
        tops += [np.concatenate([1 - likely, likely], axis=1)[None], parts.locations(bottoms[3 * count + 1 :])[None]]
    return tops


def _counts(given: Fields, locations: list[Array], *, planes: bool) -> list[tuple[int, int]]:
    """Boxes of each map, and how many of them a cell has: ``ratio0`` … ``ratio5``, or what the channels say."""
    found = []
    for index, bottom in enumerate(locations):
        _, channels, height, width = legacy_shape(bottom)
        ratios = channels // 4 if planes else given.integer(f"ratio{index}", 3 if index == 0 else 6)
        found.append((channels // 4 * height * width, ratios))
    return found


def _check(confidences: list[Array], locations: list[Array], classes: int, numbers: int, *, planes: bool) -> None:
    for confidence, location in zip(confidences, locations, strict=True):
        (images, scores, height, width), (_, channels, rows, columns) = legacy_shape(confidence), legacy_shape(location)
        if images != 1 or len(location) != 1:
            raise InvalidNetError("the fork gives every image the boxes of the first one")
        fits = (scores, height, width) == (classes, channels // 4 // numbers, rows * columns)
        if not (
            fits if planes else height * width * rows * columns == 1 and scores * 4 * numbers == channels * classes
        ):
            raise InvalidNetError(f"confidences {confidence.shape} and locations {location.shape} do not fit")
