"""Preprocessing on the oracle's side: plain NumPy after data_transformer.cpp, apart from what the converter emits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from caffe_bn_convert.preprocessing import Preprocessing

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
