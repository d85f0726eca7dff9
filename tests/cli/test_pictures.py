from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from caffe_bn_convert.cli import run
from caffe_bn_convert.preprocessing import METADATA_KEY
from tests.nets import input_layer, layer, write_net

TRAIN = """layer { name: "data" type: "Data" top: "data" data_param { batch_size: 2 }
    transform_param { scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123 crop_size: 6 } }
"""
NET = TRAIN + layer("ReLU", "r")


def convert(tmp_path, *options):
    prototxt, _ = write_net(tmp_path, NET)
    code = run([str(prototxt), "-o", str(tmp_path / "out.onnx"), *options])
    if code:
        return code
    model = onnx.load(tmp_path / "out.onnx")
    told = {p.key: p.value for p in model.metadata_props}.get(METADATA_KEY)
    return [node.op_type for node in model.graph.node], told and json.loads(told)


def test_off_by_default(tmp_path):
    assert convert(tmp_path) == (["Relu"], None)


def test_transform_param(tmp_path):
    kinds, told = convert(tmp_path, "--preprocess")
    assert kinds[-3:] == ["Sub", "Mul", "Relu"]
    assert "Slice" in kinds
    assert (told["mean"], told["scale"]) == ([104, 117, 123], 0.5)
    assert told["centre crop of"] == ["height", "width"]


def test_options_go_before_the_transform_param(tmp_path):
    kinds, told = convert(tmp_path, "--preprocess", "--crop-from", "none", "--scale", "0.25", "--mean", "1,2,3")
    assert kinds == ["Sub", "Mul", "Relu"]
    assert (told["mean"], told["scale"]) == ([1, 2, 3], 0.25)


def test_from_another_prototxt(tmp_path):
    other = tmp_path / "train_val.prototxt"
    other.write_text(NET)
    kinds, _ = convert(tmp_path, "--preprocess-from", str(other), "--crop-from", "8x9")
    assert kinds == ["Slice", "Sub", "Mul", "Relu"]


def test_all_of_the_newcomer_s_options(tmp_path):
    options = ["--mean", "103.94,116.78,123.68", "--scale", "0.017", "--layout", "nhwc", "--uint8-input", "--rgb-input"]
    kinds, told = convert(tmp_path, *options)
    assert kinds == ["Transpose", "Gather", "Cast", "Sub", "Mul", "Relu"]
    assert told["mean"] == [103.94, 116.78, 123.68]


def test_a_file(tmp_path):
    np.save(tmp_path / "mean.npy", np.full((3, 8, 8), 7.0))
    kinds, told = convert(tmp_path, "--preprocess", "--mean", str(tmp_path / "mean.npy"))
    assert kinds == ["Slice", "Sub", "Mul", "Relu"]
    assert (told["mean"], told["centre crop of"]) == ("3x8x8", [8, 8])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--mean", "1,2,x"], 2),
        (["--mean", "nothing.npy"], 3),
        (["--fold-preprocess"], 2),
        (["--crop-from", "8"], 2),
        (["--preprocess", "--fold-preprocess"], 4),
        (["--scale", "0"], 2),
    ],
)
def test_misuse(tmp_path, options, code, capsys):
    assert convert(tmp_path, *options) == code
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_proven_on_an_image(tmp_path, layout):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    image.fromarray(pixels).save(tmp_path / "photo.png")
    options = ["--mean", "1,2,3", "--layout", layout, "--uint8-input", "--input", str(tmp_path / "photo.png")]
    prototxt, _ = write_net(tmp_path, input_layer(1, 3, 6, 8) + layer("ReLU", "r"))
    assert run([str(prototxt), "-o", str(tmp_path / "out.onnx"), *options]) == 0
