"""Layers of caffe-windows that do something in training only."""

from __future__ import annotations

from typing import Any, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Identity, Layer, Source
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.dropout import refuse_training


class Noise(Layer):
    """Noise that is added (noise_layer.cpp); the identity at test time."""

    RESTRICTIONS = "caffe-windows', TEST phase only (it is random in TRAIN)"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``noise_param``.

        Raises:
            UnsupportedError: the TRAIN phase, or another fork's fields.
        """
        only(source.noise_param, ("gaussian_std", "uniform_range", "bias"))
        refuse_training(source)
        return Identity()


class LabelSpecificAdd(Layer):
    """A margin at the score that the label names (label_specific_add.cpp); at test time its first bottom.

    ``transform_test`` asks for it at test time, but the fork takes that to be false when it tests.
    """

    BOTTOMS: ClassVar[tuple[int, int | None]] = (2, 2)
    RESTRICTIONS = "TEST phase only; one top"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``label_specific_add_param``: an :class:`Identity`.

        Raises:
            UnsupportedError: the TRAIN phase, or another fork's fields.
        """
        p = source.label_specific_add_param
        only(p, [field.name for field in p.DESCRIPTOR.fields])
        if source.phase == "TRAIN":
            raise UnsupportedError(
                "it adds a margin by the labels in the TRAIN phase", hint="convert the net in the TEST phase"
            )
        return Identity()


LAYERS: dict[str, type[Layer]] = {"Noise": Noise, "LabelSpecificAdd": LabelSpecificAdd}
