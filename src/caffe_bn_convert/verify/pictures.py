"""Preprocessing on the oracle's side: plain NumPy after data_transformer.cpp, apart from what the converter emits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.verify.inputs import FALLBACK, Slot

if TYPE_CHECKING:
    from caffe_bn_convert.preprocessing import Preprocessing
    from caffe_bn_convert.verify.inputs import Feed

    Array = np.ndarray[Any, np.dtype[Any]]


def preprocessed(wanted: Preprocessing, fed: Array, height: int, width: int) -> Array:
    """What Caffe's net gets of ``fed``, in float64.

    Args:
        wanted: the user's choices.
        fed: what the ONNX file is fed.
        height, width: the size of the net's input.
    """
    pictures = np.moveaxis(fed, -1, 1) if wanted.layout == "nhwc" else fed
    if wanted.rgb:
        pictures = np.stack([pictures[:, 2], pictures[:, 1], pictures[:, 0]], axis=1)
    mean = np.asarray(wanted.mean, np.float32).astype(np.float64)
    result = np.empty((*pictures.shape[:2], height, width))
    top, left = (pictures.shape[2] - height) // 2, (pictures.shape[3] - width) // 2
    for channel in range(pictures.shape[1]):
        plane = pictures[:, channel, top : top + height, left : left + width].astype(np.float64)
        if mean.ndim == 3:
            plane = plane - mean[channel if len(mean) > 1 else 0, top : top + height, left : left + width]
        elif mean.size:
            plane = plane - mean.reshape(-1)[channel if mean.size > 1 else 0]
        result[:, channel] = plane * float(np.float32(wanted.scale))
    return result


@dataclass(frozen=True, slots=True)
class Front:
    """The preprocessing in front of one input of the file on trial.

    Attributes:
        name: the input.
        wanted: the user's choices.
        size: height and width of the net's input; None for dynamic ones, which are the picture's.
    """

    name: str
    wanted: Preprocessing
    size: tuple[int | None, int | None]

    def slot(self, shape: tuple[int | None, ...]) -> Slot:
        """What to feed to an input of this shape: pictures that are larger than the net's input where any size goes."""
        spare = [FALLBACK if size is None else size + 3 + 2 * i for i, size in enumerate(self.size)]
        channels = (shape[3] if self.wanted.layout == "nhwc" else shape[1]) or 3
        usual = (1, *spare, channels) if self.wanted.layout == "nhwc" else (1, channels, *spare)
        return Slot(self.name, shape, usual)

    def behind(self, feed: Feed, *, made_up: bool = True) -> Feed:
        """The feed with what the net gets of the pictures; the file itself is fed the pictures.

        Numbers that are made up around 0 are moved to where pictures have theirs.
        """
        picture = feed.arrays[self.name]
        if made_up:
            picture = np.stack([row if np.abs(row).max(initial=0) > 16 else 128 + 40 * row for row in picture])
        if self.wanted.uint8:
            picture = np.clip(np.rint(picture), 0, 255)
        picture = picture.astype(np.float32)
        sides = picture.shape[1:3] if self.wanted.layout == "nhwc" else picture.shape[2:4]
        height, width = (own or side for own, side in zip(self.size, sides, strict=True))
        arrays = {**feed.arrays, self.name: preprocessed(self.wanted, picture, height, width)}
        return replace(feed, arrays=arrays, fed={self.name: picture})
