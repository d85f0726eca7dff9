"""What a net is for: training or deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.net.losses import LEFT_OUT

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.lint.context import Context

_NO_FILES = ("Input", "DummyData", "Parameter")


def is_for_training(context: Context) -> bool:
    """Whether the net reads its own data or computes a loss."""
    return any(reads_data(layer) or judges(layer) for layer in context.written.layers)


def reads_data(layer: LayerDefinition) -> bool:
    """Whether a layer takes its tops from files or memory."""
    return not layer.parameter.bottom and layer.type not in _NO_FILES and "data" in layer.type.lower()


def judges(layer: LayerDefinition) -> bool:
    """Whether a layer is a loss, or measures how good a prediction is."""
    return layer.type in LEFT_OUT or layer.type.lower().endswith(("loss", "accuracy"))
