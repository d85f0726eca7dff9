from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle import forward

RANDOM = np.random.default_rng(19)
X = RANDOM.uniform(-1, 1, (2, 3, 7, 9))
LABEL = RANDOM.integers(0, 3, (2, 7, 9))
LOG = X - np.log(np.exp(X).sum(1, keepdims=True))
CHOSEN = -np.take_along_axis(LOG, LABEL[:, None], 1)[:, 0]


@pytest.mark.parametrize(
    ("text", "divisor"),
    [
        ("", 126),
        ("normalization: FULL", 126),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: false", 2),
        ("normalize: true", 126),
        ("normalize: true normalization: NONE", 1),
    ],
)
def test_softmax_with_loss(apply, text, divisor):
    y = apply("SoftmaxWithLoss", f"loss_param {{ {text} }}", X, LABEL)[0]
    np.testing.assert_allclose(y, CHOSEN.sum() / divisor)


def test_ignored_labels_do_not_count(apply):
    y = apply("SoftmaxWithLoss", "loss_param { ignore_label: 1 }", X, LABEL)[0]
    np.testing.assert_allclose(y, CHOSEN[LABEL != 1].mean())
    assert apply("SoftmaxWithLoss", "loss_param { ignore_label: 7 }", X, LABEL * 0 + 7)[0] == 0
    with pytest.raises(InvalidNetError, match="outside"):
        apply("SoftmaxWithLoss", "", X, LABEL + 1)
    with pytest.raises(InvalidNetError, match="labels for"):
        apply("SoftmaxWithLoss", "", X, LABEL[:1])


def test_infogain_loss(apply):
    matrix = RANDOM.uniform(size=(1, 1, 3, 3))
    expected = -(matrix[0, 0][LABEL] * np.moveaxis(LOG, 1, -1)).sum() / 126
    np.testing.assert_allclose(apply("InfogainLoss", "", X, LABEL, matrix)[0], expected)
    with pytest.raises(UnsupportedError, match="third bottom"):
        apply("InfogainLoss", 'infogain_loss_param { source: "H" }', X, LABEL)


def test_multinomial_logistic_loss(apply):
    (y,) = apply("MultinomialLogisticLoss", "", [[0.25, 0.75], [0, 1]], [1, 0])
    np.testing.assert_allclose(y, -(np.log(0.75) + np.log(1e-20)) / 2)


def test_sigmoid_cross_entropy_loss(apply):
    target = RANDOM.integers(0, 2, X.shape)
    each = np.log1p(np.exp(np.where(target, -X, X)))
    np.testing.assert_allclose(apply("SigmoidCrossEntropyLoss", "", X, target)[0], each.sum() / 2)
    (y,) = apply("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 0 normalize: true }", X, target)
    np.testing.assert_allclose(y, each[target == 1].mean())


def test_euclidean_and_hinge_loss(apply):
    np.testing.assert_allclose(apply("EuclideanLoss", "", X, X[::-1])[0], ((X - X[::-1]) ** 2).sum() / 4)
    x = [[0.5, -2, 0.25], [3, 0, -0.5]]
    np.testing.assert_allclose(apply("HingeLoss", "", x, [0, 1])[0], (0.5 + 1.25 + 4 + 1 + 0.5) / 2)
    (y,) = apply("HingeLoss", "hinge_loss_param { norm: L2 }", x, [0, 1])
    np.testing.assert_allclose(y, (0.25 + 1.5625 + 16 + 1 + 0.25) / 2)


def test_contrastive_loss(apply):
    a, b = np.array([[3.0, 4], [0, 1], [0, 0.5]]), np.zeros((3, 2))
    text = "contrastive_loss_param { margin: 2 legacy_version: %s }"
    np.testing.assert_allclose(apply("ContrastiveLoss", text % "false", a, b, [1, 0, 0])[0], (25 + 1 + 2.25) / 6)
    np.testing.assert_allclose(apply("ContrastiveLoss", text % "true", a, b, [1, 0, 0])[0], (25 + 1 + 1.75) / 6)


def test_accuracy_counts_ties_against_the_label():
    text = 'layer {{ type: "Accuracy" bottom: "x" bottom: "l" top: "a" top: "c" accuracy_param {{ {} }} }}'
    x = np.array([[1, 1, 0], [0, 2, 1], [0, 2, 1], [5, 2, 1]])
    label = np.array([0, 1, 2, 0])
    for options, total, classes in (
        ("", 2 / 4, [1 / 2, 1, 0]),
        ("top_k: 2", 1, [1, 1, 1]),
        ("ignore_label: 0", 1 / 2, [0, 1, 0]),
    ):
        y, each = forward(parse_net(text.format(options)).layers[0], [x, label], ())
        assert y == total
        np.testing.assert_array_equal(each, classes)
