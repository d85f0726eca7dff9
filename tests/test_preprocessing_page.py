"""docs/preprocessing.md, word for word: JPEG in, the probabilities of OpenCV 4 on the Caffe model out."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from caffe_bn_convert.cli import run
from tests.nets import input_layer, layer, write_net
from tests.paths import ROOT

cv2 = pytest.importorskip("cv2", reason="needs OpenCV 4")
Image = pytest.importorskip("PIL.Image", reason="needs Pillow")

PAGE = (ROOT / "docs" / "preprocessing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
(COMMAND,) = [text for kind, text in BLOCKS if kind == "console"]

NET = (
    input_layer(1, 3, 224, 224)
    + layer("Convolution", "conv1", rest="convolution_param { num_output: 8 kernel_size: 7 stride: 4 pad: 3 }")
    + layer("BatchNorm", "bn", "conv1", "conv1")
    + layer("Scale", "scale", "conv1", "conv1", "scale_param { bias_term: true }")
    + layer("ReLU", "relu", "conv1", "conv1")
    + layer("Pooling", "pool", "conv1", "pool", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
    + layer("InnerProduct", "fc", "pool", "fc", "inner_product_param { num_output: 10 }")
    + layer("Softmax", "prob", "fc")
)


def weights():
    rng = np.random.default_rng(4)
    return {
        "conv1": [rng.normal(size=(8, 3, 7, 7)) / 12, rng.normal(size=8)],
        "bn": [rng.normal(size=8), rng.uniform(0.5, 2, 8), np.array([1.0])],
        "scale": [rng.uniform(0.5, 1.5, 8), rng.normal(size=8)],
        "fc": [rng.normal(size=(10, 8 * 28 * 28)) / 60, rng.normal(size=10)],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    prototxt, _ = write_net(tmp_path, NET, weights())
    prototxt.rename(tmp_path / "deploy.prototxt")
    y, x = np.mgrid[0:260, 0:330]
    noise = np.random.default_rng(8).integers(0, 40, (260, 330, 3))
    rgb = np.stack([x * 0.6, y * 0.8, (x + y) % 200], axis=2) + noise
    Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)).save(tmp_path / "photo.jpg", quality=90)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(text):
    names = {}
    exec(compile(text, "docs/preprocessing.md", "exec"), names)
    return names


def convert(*extra):
    words = shlex.split(COMMAND.removeprefix("$ "))
    assert words[0] == "caffe-bn-convert"
    assert run([*words[1:], *extra]) == 0


def same(a, b):
    assert a.shape == b.shape == (1, 10)
    assert 0.1 < b.max() < 0.999  # neither nothing nor saturated
    # float32 sums of 147 and 6272 products, in two programs
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_newcomer_s_recipe(folder):
    before = execute(PYTHON[0])["before"]
    convert()
    same(execute(PYTHON[1])["after"], before)


def test_by_hand(folder):
    before = execute(PYTHON[0])["before"]
    assert run(["deploy.prototxt", "weights.caffemodel", "-o", "plain.onnx"]) == 0
    same(execute(PYTHON[2])["by_hand"], before)


def test_from_python(folder):
    before = execute(PYTHON[0])["before"]
    execute(PYTHON[3])
    same(execute(PYTHON[1])["after"], before)


def test_in_rgb(folder):
    before = execute(PYTHON[0])["before"]
    convert("--rgb-input")
    recipe = PYTHON[1].replace("(224, 224))[None]", "(224, 224))[None, ..., ::-1].copy()")
    assert recipe != PYTHON[1]
    same(execute(recipe)["after"], before)


def test_what_happens_without(folder):
    """That the test tells right from wrong."""
    before = execute(PYTHON[0])["before"]
    convert("--scale", "1")
    assert np.abs(execute(PYTHON[1])["after"] - before).max() > 0.01


def test_from_a_train_val_prototxt(folder):
    before = execute(PYTHON[0])["before"]
    transform = re.search(r"transform_param \{.*\}", PAGE).group()
    (folder / "train_val.prototxt").write_text(f'layer {{ name: "data" type: "Data" top: "data" {transform} }}')
    options = ["--preprocess-from", "train_val.prototxt", "--layout", "nhwc", "--uint8-input"]
    assert run(["deploy.prototxt", "weights.caffemodel", "-o", "net.onnx", *options]) == 0
    same(execute(PYTHON[1])["after"], before)
