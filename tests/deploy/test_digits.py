"""The digits net, trained and run by real Caffe: its training prototxt, deployed, is the hand-written one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.deploy import deploy
from caffe_bn_convert.front import convert
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = FIXTURES / "digits"
SHAPES = {"data": (1, 1, 8, 8)}
WEIGHTS = DIGITS / "digits.caffemodel"


def layers(text: str) -> list[Any]:
    return [layer.parameter for layer in parse_net(text).layers]


def test_it_is_the_hand_written_net_field_by_field() -> None:
    deployed = deploy(DIGITS / "train_val.prototxt", shapes=SHAPES, keep_learning_rates=True)
    by_hand = read_net(DIGITS / "deploy.prototxt")
    assert layers(deployed.text) == [layer.parameter for layer in by_hand.layers]
    assert parse_net(deployed.text).parameter == by_hand.parameter


def test_learning_rates_go_by_default_and_nothing_else() -> None:
    deployed = layers(deploy(DIGITS / "train_val.prototxt", shapes=SHAPES).text)
    by_hand = [layer.parameter for layer in read_net(DIGITS / "deploy.prototxt").layers]
    for layer in by_hand:
        del layer.param[:]
    assert deployed == by_hand


def test_the_weights_are_the_same_bytes_and_the_outputs_what_caffe_computed(tmp_path: Path) -> None:
    ours = convert(DIGITS / "train_val.prototxt", WEIGHTS, as_deploy=True, shapes={"data": ("N", 1, 8, 8)})
    hand = convert(DIGITS / "deploy.prototxt", WEIGHTS, batch="dynamic")
    assert {i.name: i.raw_data for i in ours.to_onnx().graph.initializer} == {
        i.name: i.raw_data for i in hand.to_onnx().graph.initializer
    }
    runtime = pytest.importorskip("onnxruntime")
    ours.save(tmp_path / "ours.onnx")
    hand.save(tmp_path / "hand.onnx")
    images, expected = expectations()
    got = [
        runtime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"]).run(None, {"data": images})[
            0
        ]
        for name in ("ours.onnx", "hand.onnx")
    ]
    np.testing.assert_array_equal(got[0], got[1])
    np.testing.assert_allclose(got[0], expected, rtol=0, atol=2e-6)  # probabilities, through 8 convolutions in float32


def test_opencv_4_computes_the_same_from_the_deployed_text(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV has no importer for Caffe any more")
    path = tmp_path / "deploy.prototxt"
    path.write_text(deploy(DIGITS / "train_val.prototxt", shapes=SHAPES).text)
    net = cv2.dnn.readNetFromCaffe(str(path), str(WEIGHTS))
    images, expected = expectations()
    net.setInput(images[:5])
    np.testing.assert_allclose(net.forward(), expected[:5], rtol=0, atol=2e-6)


def test_the_weights_in_hdf5_go_with_it_too() -> None:
    pytest.importorskip("h5py")
    binary = convert(DIGITS / "train_val.prototxt", WEIGHTS, as_deploy=True, shapes=SHAPES)
    hdf5 = convert(DIGITS / "train_val.prototxt", DIGITS / "digits.caffemodel.h5", as_deploy=True, shapes=SHAPES)
    assert binary.to_onnx().graph == hdf5.to_onnx().graph


def test_without_a_shape_it_asks_for_one() -> None:
    with pytest.raises(cbc.ConversionError, match=r'shape of "data"[\s\S]*--shape data='):
        deploy(DIGITS / "train_val.prototxt")


def test_deploying_twice_changes_nothing(tmp_path: Path) -> None:
    once = deploy(DIGITS / "train_val.prototxt", shapes=SHAPES).text
    path = tmp_path / "deploy.prototxt"
    path.write_text(once)
    again = deploy(path)
    assert again.text == once
    assert again.diff() == ""


def expectations() -> tuple[np.ndarray, np.ndarray]:
    arrays = np.load(DIGITS / "expected.npz")
    return arrays["data"], arrays["prob"]
