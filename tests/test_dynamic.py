"""Real nets with a dynamic batch, and with dynamic height and width: as with the sizes written down, row for row."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from tests.paths import SHARED, needs_shared

MODELS = sorted((SHARED / "models").iterdir()) if SHARED.is_dir() else []

DETECTIONS = {"libfacedet-v1", "res10-ssd-face", "wechat-qr-detect"}
"""Their output is a list of detections of all images, each with its image's number in front."""

FOLDED = {"ultralight-rfb320"}
"""Their prototxt says ``dim: 1 dim: -1``, so that Caffe itself puts the whole batch into one row, head by head."""

BY_SIZE = {
    "cnn3dobj-triplet": "InnerProduct", "deeplandmark-1F": "InnerProduct", "hyperlpr-charrec": "InnerProduct",
    "hyperlpr-finemap": "InnerProduct", "landmark106": "InnerProduct", "lenet-mnist-2015": "InnerProduct",
    "mtcnn-lnet": "InnerProduct", "mtcnn-onet": "InnerProduct", "open-nsfw-resnet50": "InnerProduct",
    "v1-cifar10quick-2014": "InnerProduct",
    "libfacedet-v1": "PriorBox", "res10-ssd-face": "PriorBox", "wechat-qr-detect": "PriorBox",
    "mbyolov3lite-tusimple": "Eltwise", "retinaface-mnet25": "Reshape",
}  # fmt: skip
"""Nets that are made for one size, and the first layer that is."""

named = pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
pytestmark = needs_shared


def convert(model, **options):
    return cbc.convert(model / "deploy.prototxt", model / "weights.caffemodel", allow="all", **options)


def session(conversion):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(conversion.to_onnx().SerializeToString(), options, providers=["CPUExecutionProvider"])


def expected(rows, name):
    if name in DETECTIONS:
        found = [row.copy() for row in rows]
        for number, row in enumerate(found):
            row[..., 0] = np.where(row[..., 0] < 0, row[..., 0], number)
        return np.concatenate(found, axis=2)
    return np.concatenate(rows)


@named
def test_batch(model):
    single = convert(model, batch=1)
    runs, one = session(convert(model, batch="dynamic")), session(single)
    for batch in (1, 2, 5):
        rng = np.random.default_rng(3)
        shapes = {name: single.graph.shapes[name][1:] for name in single.graph.inputs}
        feeds = {name: rng.normal(size=(batch, *shape)).astype(np.float32) for name, shape in shapes.items()}
        got = runs.run(None, feeds)
        rows = [one.run(None, {name: x[i : i + 1] for name, x in feeds.items()}) for i in range(batch)]
        if model.name in FOLDED:
            rows = [session(convert(model, batch=batch)).run(None, feeds)]
        for index, value in enumerate(got):
            wanted = expected([row[index] for row in rows], model.name)
            # onnxruntime may take another path through its kernels for another batch
            np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@named
def test_height_and_width(model):
    single = convert(model, batch=1)
    sizes = {name: single.graph.shapes[name] for name in single.graph.inputs}
    shapes = {name: (1, size[1], "H", "W") for name, size in sizes.items()}
    if model.name in BY_SIZE:
        with pytest.raises((cbc.UnsupportedError, cbc.InvalidNetError), match=rf"\({BY_SIZE[model.name]}\)"):
            convert(model, shapes=shapes)
        return
    runs = session(convert(model, shapes=shapes))
    for more in ((0, 0), (7, 16), (5, 2)):
        larger = {name: (1, s[1], s[2] + more[0], s[3] + more[1]) for name, s in sizes.items()}
        feeds = {n: np.random.default_rng(3).normal(size=s).astype(np.float32) for n, s in larger.items()}
        wanted = session(convert(model, shapes=larger)).run(None, feeds)
        for a, b in zip(runs.run(None, feeds), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())
