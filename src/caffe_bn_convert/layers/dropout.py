"""Dropout when it is not random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.layers.base import Identity, Layer, Shapes, Source
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.lint.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Dropout at test time: the identity, or the expectation where the training did not scale.

    fast-rcnn and others have ``scale_train``; false moves the factor from training to testing.
    """

    RESTRICTIONS = "TEST phase only (it is random in TRAIN); `sample_weights_test` by weight averaging only (DROP001)"

    factor: np.float32

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``dropout_param``; where nothing is to do the layer is an :class:`Identity`."""
        p = source.dropout_param
        refuse_training(source)
        harmless = {"scale_train", "sqrt_scale", "random_seed"}
        if p.scale_train:
            only(p, {*harmless, "sample_weights_test"})
            return cast("Self", SampledDropout() if p.sample_weights_test else Identity())
        only(p, harmless)
        return cls(np.float32(1 - p.dropout_ratio))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """Mul."""
        return [e.op("Mul", x[0].name, e.constant(self.factor, "kept"))]


@dataclass(frozen=True, slots=True)
class SampledDropout(Identity):
    """SegNet's Dropout with ``sample_weights_test``, by weight averaging: it scales in training, so nothing is to do."""

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DROP001."""
        yield Finding("DROP001", "it is random at test time, too (sample_weights_test: true, Bayesian SegNet)")


class SeLuDropout(Layer):
    """Dropout for nets of SELU (selu_dropout_layer.cpp of caffe_latte and of synopsys-caffe): the identity at test time."""

    RESTRICTIONS = "TEST phase only (it is random in TRAIN)"

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``selu_dropout_param``: an :class:`Identity`.

        Raises:
            UnsupportedError: the TRAIN phase.
        """
        refuse_training(source)
        only(source.selu_dropout_param, ("dropout_ratio", "alpha"))
        return Identity()


def refuse_training(source: Source) -> None:
    """Refuse a layer that draws at random in training.

    Raises:
        UnsupportedError: the TRAIN phase.
    """
    if source.phase == "TRAIN":
        raise UnsupportedError(
            f"{source.definition.type} is random in the TRAIN phase", hint="convert the net in the TEST phase"
        )


LAYERS: dict[str, type[Layer]] = {"Dropout": Dropout, "SeLUDropout": SeLuDropout, "SeLuDropout": SeLuDropout}
