"""Noise of caffe-windows, which there is in training only (noise_layer.cpp of that fork)."""

from __future__ import annotations

from typing import Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Identity, Layer, Source
from caffe_bn_convert.layers.dialect import only


class Noise(Layer):
    """The identity at test time."""

    RESTRICTIONS = "caffe-windows', TEST phase only (it is random in TRAIN)"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``noise_param``.

        Raises:
            UnsupportedError: the TRAIN phase, or another fork's fields.
        """
        only(source.noise_param, ("gaussian_std", "uniform_range", "bias"))
        if source.phase == "TRAIN":
            raise UnsupportedError("Noise is random in the TRAIN phase", hint="convert the net in the TEST phase")
        return Identity()


LAYERS: dict[str, type[Layer]] = {"Noise": Noise}
