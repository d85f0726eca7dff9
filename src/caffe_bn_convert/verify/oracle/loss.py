"""Losses and Accuracy. The value is the loss itself: loss_weight only matters for training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .activation import softened
from .layer import canonical, expect, legacy_shape, matrix, unsupported

if TYPE_CHECKING:
    from typing import Any

    from .layer import Array, Blobs, Layer, Rule

LEAST = float(np.finfo(np.float32).tiny)
"""FLT_MIN, the least probability of SoftmaxWithLoss."""

LOG_THRESHOLD = 1e-20
"""kLOG_THRESHOLD in loss_layer.hpp."""


def _scalar(layer: Layer, value: Any) -> Array:
    return np.asarray(value, layer.dtype)


def _normalization(p: Any, otherwise: str) -> str:
    """FULL, VALID, BATCH_SIZE or NONE; ``normalize`` is the older name of VALID (true) and BATCH_SIZE (false)."""
    if p.HasField("normalization"):
        return str(p.DESCRIPTOR.fields_by_name["normalization"].enum_type.values_by_number[p.normalization].name)
    if p.HasField("normalize"):
        return "VALID" if p.normalize else "BATCH_SIZE"
    return otherwise


def _normalizer(mode: str, outer: int, inner: int, valid: int) -> float:
    """``get_normalizer``: never less than 1."""
    return max(1.0, float({"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode]))


def _labels(layer: Layer, label: Array, outer: int, inner: int, classes: int) -> tuple[Array, Array]:
    """Labels (outer, inner) as integers, 0 where ignored, and which of them count."""
    if label.size != outer * inner:
        raise InvalidNetError(f"{label.size} labels for {outer * inner} predictions")
    labels = label.reshape(outer, inner).astype(np.int64)
    p = layer.parameter
    block = p.accuracy_param if p.type == "Accuracy" else p.loss_param
    valid = labels != block.ignore_label if block.HasField("ignore_label") else np.ones(labels.shape, bool)
    labels = np.where(valid, labels, 0)
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise InvalidNetError(f"a label is outside of 0 … {classes - 1}")
    return labels, valid


def _planes(x: Array, axis: int) -> Array:
    """As (outer, classes, inner) around the axis of the classes."""
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))


def softmax_with_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """softmax_loss_layer.cpp; the second top is the softmax."""
    expect(layer, bottoms, 2)
    axis = canonical(layer.parameter.softmax_param.axis, bottoms[0].ndim)
    probability = softened(bottoms[0], axis)
    planes = _planes(probability, axis)
    outer, classes, inner = planes.shape
    labels, valid = _labels(layer, bottoms[1], outer, inner, classes)
    chosen = np.take_along_axis(planes, labels[:, None], 1)[:, 0]
    total = -(np.log(np.maximum(chosen, LEAST)) * valid).sum()
    mode = _normalization(layer.parameter.loss_param, "VALID")
    return [_scalar(layer, total / _normalizer(mode, outer, inner, int(valid.sum()))), probability]


def infogain_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """infogain_loss_layer.cpp: takes logits; the matrix (1, 1, C, C) is the third bottom, as we open no files."""
    expect(layer, bottoms, 2, 3)
    if len(bottoms) < 3:
        raise unsupported("InfogainLoss with its matrix in a file: give it as a third bottom")
    axis = canonical(layer.parameter.infogain_loss_param.axis, bottoms[0].ndim)
    probability = softened(bottoms[0], axis)
    planes = _planes(probability, axis)
    outer, classes, inner = planes.shape
    labels, valid = _labels(layer, bottoms[1], outer, inner, classes)
    rows = bottoms[2].reshape(classes, classes)[labels]
    total = -(rows.transpose(0, 2, 1) * np.log(np.maximum(planes, LOG_THRESHOLD)) * valid[:, None]).sum()
    mode = _normalization(layer.parameter.loss_param, "VALID")
    return [_scalar(layer, total / _normalizer(mode, outer, inner, int(valid.sum()))), probability]


def multinomial_logistic_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """multinomial_logistic_loss_layer.cpp: takes probabilities."""
    expect(layer, bottoms, 2)
    n = legacy_shape(bottoms[0])[0]
    x = matrix(bottoms[0], 1)
    labels = _labels(layer, bottoms[1], n, 1, x.shape[1])[0]
    chosen = np.take_along_axis(x, labels, 1)
    return [_scalar(layer, -np.log(np.maximum(chosen, LOG_THRESHOLD)).sum() / n)]


def sigmoid_cross_entropy_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """sigmoid_cross_entropy_loss_layer.cpp: divides by the batch size unless told otherwise."""
    expect(layer, bottoms, 2)
    x, target, p = bottoms[0], bottoms[1].reshape(bottoms[0].shape), layer.parameter.loss_param
    valid = target.astype(np.int64) != p.ignore_label if p.HasField("ignore_label") else np.ones(x.shape, bool)
    loss = np.maximum(x, 0) - x * target + np.log(1 + np.exp(-np.abs(x)))
    divisor = _normalizer(_normalization(p, "BATCH_SIZE"), len(x), math.prod(x.shape[1:]), int(valid.sum()))
    return [_scalar(layer, (loss * valid).sum() / divisor)]


def euclidean_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """euclidean_loss_layer.cpp: half the squared distance an item."""
    expect(layer, bottoms, 2)
    distance = np.square(bottoms[0] - bottoms[1].reshape(bottoms[0].shape)).sum()
    return [_scalar(layer, distance / legacy_shape(bottoms[0])[0] / 2)]


def contrastive_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """contrastive_loss_layer.cpp: ``legacy_version`` takes the margin off the squared distance."""
    expect(layer, bottoms, 3)
    p = layer.parameter.contrastive_loss_param
    n = legacy_shape(bottoms[0])[0]
    squared = matrix(np.square(bottoms[0] - bottoms[1]), 1).sum(1)
    apart = p.margin - squared if p.legacy_version else np.square(np.maximum(p.margin - np.sqrt(squared), 0))
    loss = np.where(bottoms[2].reshape(n).astype(np.int64) != 0, squared, np.maximum(apart, 0))
    return [_scalar(layer, loss.sum() / n / 2)]


def hinge_loss(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """hinge_loss_layer.cpp: one against all, L1 or L2."""
    expect(layer, bottoms, 2)
    n = legacy_shape(bottoms[0])[0]
    x = matrix(bottoms[0], 1)
    labels = _labels(layer, bottoms[1], n, 1, x.shape[1])[0]
    margin = np.maximum(0, 1 + np.where(np.arange(x.shape[1]) == labels, -x, x))
    p = layer.parameter.hinge_loss_param
    squares = p.norm == p.DESCRIPTOR.enum_values_by_name["L2"].number
    return [_scalar(layer, (np.square(margin) if squares else margin).sum() / n)]


def accuracy(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """accuracy_layer.cpp: right where fewer than ``top_k`` others are as great or greater; second top: by class."""
    expect(layer, bottoms, 2)
    p = layer.parameter.accuracy_param
    planes = _planes(bottoms[0], canonical(p.axis, bottoms[0].ndim))
    outer, classes, inner = planes.shape
    labels, valid = _labels(layer, bottoms[1], outer, inner, classes)
    true = np.take_along_axis(planes, labels[:, None], 1)
    right = ((planes >= true).sum(1) - 1 < p.top_k) & valid
    counts = np.bincount(labels[valid], minlength=classes)
    each = np.bincount(labels[right], minlength=classes) / np.maximum(counts, 1)
    return [_scalar(layer, right.sum() / max(1, int(valid.sum()))), each.astype(layer.dtype)]


LAYERS: dict[str, Rule] = {
    "Accuracy": accuracy,
    "ContrastiveLoss": contrastive_loss,
    "EuclideanLoss": euclidean_loss,
    "HingeLoss": hinge_loss,
    "InfogainLoss": infogain_loss,
    "MultinomialLogisticLoss": multinomial_logistic_loss,
    "SigmoidCrossEntropyLoss": sigmoid_cross_entropy_loss,
    "SoftmaxWithLoss": softmax_with_loss,
}

DISCONTINUOUS = frozenset({"Accuracy"})
