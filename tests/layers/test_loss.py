from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

GROUPS = (
    "Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
)  # fmt: skip
N, C, H, W = 4, 3, 7, 9


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases(*GROUPS))
def test_as_caffe(folder, opset):
    check(folder, opset)


def net(kind, rest="", tops="y", **shapes):
    text = "".join(input_layer(*shape, name=name) for name, shape in shapes.items())
    return text + layer(kind, "l", " ".join(shapes), tops, rest)


def labels(*shape, classes=C, ignored=None):
    random = np.random.default_rng(5)
    found = random.integers(0, classes, shape)
    if ignored is not None:
        found = np.where(random.random(shape) < 0.3, ignored, found)
    return found.astype(np.float32)


MODES = ["", "normalization: FULL", "normalization: VALID", "normalization: BATCH_SIZE", "normalization: NONE",
         "normalize: true", "normalize: false"]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignored", [None, 1, 255, -1])
def test_softmax_with_loss(tmp_path, mode, ignored):
    rest = f"loss_param {{ {mode} {'' if ignored is None else f'ignore_label: {ignored}'} }}"
    inputs = {"x": 3 * values("x", N, C, H, W), "t": labels(N, 1, H, W, ignored=ignored)}
    check_by_oracle(tmp_path, net("SoftmaxWithLoss", rest, x=(N, C, H, W), t=(N, 1, H, W)), inputs, opsets=OPSETS[1:2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignored", [None, 1])
def test_sigmoid_cross_entropy(tmp_path, mode, ignored):
    rest = f"loss_param {{ {mode} {'' if ignored is None else f'ignore_label: {ignored}'} }}"
    inputs = {"x": 90 * values("x", N, C, H), "t": labels(N, C, H, classes=2)}
    check_by_oracle(
        tmp_path, net("SigmoidCrossEntropyLoss", rest, x=(N, C, H), t=(N, C, H)), inputs, opsets=OPSETS[1:2]
    )


@pytest.mark.parametrize("mode", MODES)
def test_infogain(tmp_path, mode):
    rest = f"loss_param {{ ignore_label: 0 {mode} }} infogain_loss_param {{ axis: -2 }}"
    inputs = {"x": values("x", N, C, H), "t": labels(N, H, ignored=0), "m": values("m", 1, 1, C, C)}
    text = net("InfogainLoss", rest, x=(N, C, H), t=(N, H), m=(1, 1, C, C))
    check_by_oracle(tmp_path, text, inputs, opsets=OPSETS[1:2])


@pytest.mark.parametrize("kind", ["HingeLoss", "MultinomialLogisticLoss"])
@pytest.mark.parametrize("shape", [(N, 5), (N, C, H, W)])
def test_losses_of_classes(tmp_path, kind, shape):
    classes = int(np.prod(shape[1:]))
    inputs = {"x": np.abs(values("x", *shape)), "t": labels(N, 1, classes=classes)}
    inputs["x"][0, 0] = 0
    check_by_oracle(tmp_path, net(kind, x=shape, t=(N, 1)), inputs)


def test_squared_hinge(tmp_path):
    text = net("HingeLoss", "hinge_loss_param { norm: L2 }", x=(N, 5), t=(N,))
    check_by_oracle(tmp_path, text, {"x": 2 * values("x", N, 5), "t": labels(N, classes=5)})


def test_euclidean_of_different_shapes(tmp_path):
    inputs = {"x": values("x", N, C, H), "t": values("t", N, C * H)}
    check_by_oracle(tmp_path, net("EuclideanLoss", x=(N, C, H), t=(N, C * H)), inputs)


@pytest.mark.parametrize(
    "rest", ["", "contrastive_loss_param { margin: 1.5 }", "contrastive_loss_param { legacy_version: true }"]
)
@pytest.mark.parametrize("shape", [(N,), (N, 1, 1, 1)])
def test_contrastive(tmp_path, rest, shape):
    inputs = {"a": values("a", N, C), "b": values("b", N, C), "t": labels(*shape, classes=2)}
    check_by_oracle(tmp_path, net("ContrastiveLoss", rest, a=(N, C), b=(N, C), t=shape), inputs)


@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("ignored", [None, 1, 255])
def test_accuracy_by_class_with_equal_scores(tmp_path, top_k, ignored):
    rest = f"accuracy_param {{ top_k: {top_k} {'' if ignored is None else f'ignore_label: {ignored}'} }}"
    inputs = {"x": np.round(values("x", N, C, H, W) * 2), "t": labels(N, H, W, ignored=ignored)}
    check_by_oracle(tmp_path, net("Accuracy", rest, "y each", x=(N, C, H, W), t=(N, H, W)), inputs)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("SoftmaxWithLoss", {"x": ("N", C, H, W), "t": ("N", 1, H, W)}),
        ("SigmoidCrossEntropyLoss", {"x": ("N", C), "t": ("N", C)}),
        ("HingeLoss", {"x": ("N", C), "t": ("N",)}),
        ("MultinomialLogisticLoss", {"x": ("N", C), "t": ("N",)}),
        ("EuclideanLoss", {"x": ("N", C), "t": ("N", C)}),
        ("ContrastiveLoss", {"a": ("N", C), "b": ("N", C), "t": ("N",)}),
        ("Accuracy", {"x": ("N", C), "t": ("N",)}),
    ],
)
def test_a_dynamic_batch(tmp_path, kind, shapes):
    numbers = {name: tuple(N if dim == "N" else dim for dim in shape) for name, shape in shapes.items()}
    inputs = {name: np.abs(values(name, *shape)) for name, shape in numbers.items()} | {"t": labels(*numbers["t"])}
    check_by_oracle(tmp_path, net(kind, **numbers), inputs, shapes=shapes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("SoftmaxWithLoss", tops="y z", x=(N, C), t=(N,)), "it has 2 tops"),
        (net("SoftmaxWithLoss", x=(N, C, H), t=(N,)), "there are 4 labels for 28 predictions"),
        (net("SoftmaxWithLoss", "loss_param { normalization: PRE_FIXED }", x=(N, C), t=(N,)), "PRE_FIXED"),
        (net("SoftmaxWithLoss", "softmax_param { axis: 4 }", x=(N, C), t=(N,)), "axis 4 is out of range"),
        (net("EuclideanLoss", x=(N, C), t=(H, C)), "the batches of its bottoms differ: 4 and 7"),
        (net("EuclideanLoss", x=(N, C), t=(N, H)), "the same number of values"),
        (net("EuclideanLoss", x=(N, C, H, W, 2), t=(N, C, H, W, 2)), "at most 4 axes, its first bottom has 5"),
        (net("ContrastiveLoss", a=(N, C, 1, 1, 1), b=(N, C, 1, 1, 1), t=(N,)), "at most 4 axes"),
        (net("HingeLoss", x=(N, C, 1, 1, 1), t=(N,)), "at most 4 axes"),
        (net("MultinomialLogisticLoss", x=(N, C, 1, 1, 1), t=(N,)), "at most 4 axes"),
        (net("SigmoidCrossEntropyLoss", x=(N, C), t=(N, H)), "as many targets as predictions"),
        (net("HingeLoss", x=(N, C), t=(N, 2)), "one label for each item"),
        (net("InfogainLoss", x=(N, C), t=(N,)), "fed|third bottom"),
        (net("InfogainLoss", x=(N, C), t=(N,), m=(C, H)), "the matrix must be 1x1x3x3"),
        (net("ContrastiveLoss", a=(N, C), b=(N, H), t=(N,)), "two vectors of one length"),
        (net("ContrastiveLoss", a=(N, C), b=(N, C), t=(N, 2)), "one number for each pair"),
        (net("Accuracy", "accuracy_param { top_k: 4 }", x=(N, C), t=(N,)), "top_k 4 exceeds 3 classes"),
        (net("Accuracy", x=(N, C), t=(H,)), "there are 7 labels for 4 predictions"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0], keep_losses=True)
