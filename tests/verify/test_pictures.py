"""The proof of preprocessing: what is right passes, and every way of getting it wrong is caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.nets import input_layer, layer, write_net

H, W = 7, 9
NET = input_layer(2, 3, H, W) + layer("Convolution", "y", rest="convolution_param { num_output: 4 kernel_size: 3 %s }")
RNG = np.random.default_rng(31)
BLOBS = {"y": [RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)]}
MEAN = (103.94, 116.78, 123.68)
PIXELS = RNG.uniform(90, 130, (3, H + 4, W + 3))

RIGHT = {
    "all": {"mean": MEAN, "scale": 0.017, "rgb": True, "layout": "nhwc", "uint8": True, "crop_from": ("h", "w")},
    "folded": {"mean": MEAN, "scale": 0.017, "rgb": True, "fold": True},
    "folded, and bytes": {"mean": MEAN, "scale": 0.017, "fold": True, "uint8": True, "layout": "nhwc"},
    "a mean for every pixel": {"mean": PIXELS, "crop_from": PIXELS.shape[1:]},
    "float pictures": {"mean": MEAN},
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"batch": "dynamic"}], ids=["batch 2", "dynamic batch"])
@pytest.mark.parametrize("name", RIGHT)
def test_right(tmp_path, name, options):
    net = write_net(tmp_path, NET % "", BLOBS)
    conversion = cbc.convert(*net, preprocessing=cbc.Preprocessing(**RIGHT[name]), **options)
    conversion.save(tmp_path / "out.onnx", verify=True)
    assert conversion.verify(tmp_path / "out.onnx").passed


def test_dynamic_size(tmp_path):
    net = write_net(tmp_path, NET % "", BLOBS)
    wanted = cbc.Preprocessing(mean=MEAN, layout="nhwc", uint8=True)
    cbc.convert(*net, preprocessing=wanted, shapes={"data": ("N", 3, "H", "W")}).save(
        tmp_path / "out.onnx", verify=True
    )


WRONG = {
    "another mean": {"mean": (104, 117, 123)},
    "means in the other order": {"mean": MEAN[::-1]},
    "another scale": {"scale": 0.0171},
    "channels in the other order": {"rgb": False},
    "no mean": {"mean": ()},
    "the scale first": {"mean": tuple(m / 0.017 for m in MEAN)},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tmp_path, name):
    right = {"mean": MEAN, "scale": 0.017, "rgb": True, "layout": "nhwc"}
    net = write_net(tmp_path, NET % "", BLOBS)
    conversion = cbc.convert(*net, preprocessing=cbc.Preprocessing(**right))
    other = cbc.convert(*net, preprocessing=cbc.Preprocessing(**right | WRONG[name]))
    wrong = replace(conversion, graph=other.graph)
    with pytest.raises(cbc.VerificationError, match=r'layer "y"'):
        wrong.save(tmp_path / "out.onnx", verify=True)
    assert not (tmp_path / "out.onnx").exists()


def test_a_fold_that_is_not_exact_would_be_caught(tmp_path, monkeypatch):
    """Folding the mean in spite of padding: the border is wrong."""
    monkeypatch.setattr("caffe_bn_convert.net.passes.fold_preprocess._check", lambda *_: None)
    net = write_net(tmp_path, NET % "pad: 1", BLOBS)
    with pytest.raises(cbc.VerificationError, match=r'layer "y"'):
        cbc.convert(*net, preprocessing=cbc.Preprocessing(mean=MEAN, fold=True)).save(
            tmp_path / "out.onnx", verify=True
        )
