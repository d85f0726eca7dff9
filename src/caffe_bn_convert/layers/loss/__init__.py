"""Losses and Accuracy, as Caffe's forward pass computes them; only converted with ``keep_losses``.

The value is the loss itself: Caffe applies ``loss_weight`` when it adds the losses up, not to the blob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.layers.loss.accuracy import Accuracy
from caffe_bn_convert.layers.loss.distance import ContrastiveLoss, EuclideanLoss, HingeLoss
from caffe_bn_convert.layers.loss.entropy import (
    InfogainLoss,
    MultinomialLogisticLoss,
    SigmoidCrossEntropyLoss,
    SoftmaxWithLoss,
)

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Layer

LAYERS: dict[str, type[Layer]] = {
    "Accuracy": Accuracy,
    "ContrastiveLoss": ContrastiveLoss,
    "EuclideanLoss": EuclideanLoss,
    "HingeLoss": HingeLoss,
    "InfogainLoss": InfogainLoss,
    "MultinomialLogisticLoss": MultinomialLogisticLoss,
    "SigmoidCrossEntropyLoss": SigmoidCrossEntropyLoss,
    "SoftmaxWithLoss": SoftmaxWithLoss,
}
