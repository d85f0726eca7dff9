"""Preprocessing in front of the net, against NumPy's rendering of Caffe's data layer, and folded into weights."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import UnsupportedError, UsageError
from caffe_bn_convert.preprocessing import METADATA_KEY, Preprocessing, from_prototxt
from tests.golden import OPSETS
from tests.nets import input_layer, layer, write_net

RNG = np.random.default_rng(11)
H, W = 7, 9
MEAN = (103.94, 116.78, 123.68)
DATA = input_layer(2, 3, H, W)
PASS = DATA + layer("Power", "y", "data", "y", "power_param { scale: 2 }")


def preprocessed(wanted, fed, height, width):
    """Caffe's data layer (data_transformer.cpp) in NumPy, in float64."""
    pictures = np.moveaxis(fed, -1, 1) if wanted.layout == "nhwc" else fed
    if wanted.rgb:
        pictures = np.stack([pictures[:, 2], pictures[:, 1], pictures[:, 0]], axis=1)
    mean = np.asarray(wanted.mean, np.float32).astype(np.float64)
    top, left = (pictures.shape[2] - height) // 2, (pictures.shape[3] - width) // 2
    rows, columns = slice(top, top + height), slice(left, left + width)
    if mean.ndim == 3:
        mean = mean[:, rows, columns]
    elif mean.size:
        mean = mean.reshape(-1, 1, 1)
    else:
        mean = 0.0
    return (pictures[:, :, rows, columns].astype(np.float64) - mean) * float(np.float32(wanted.scale))


def session(conversion):
    return ort.InferenceSession(conversion.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])


def feed(shape, dtype=np.uint8):
    return RNG.integers(0, 256, shape).astype(dtype)


CASES = {
    "one mean": (Preprocessing((7.5,)), (2, 3, H, W)),
    "a single number": (Preprocessing(7.5), (2, 3, H, W)),
    "mean and scale": (Preprocessing(MEAN, 0.017), (2, 3, H, W)),
    "scale only": (Preprocessing(scale=1 / 256), (2, 3, H, W)),
    "RGB": (Preprocessing(MEAN, rgb=True), (2, 3, H, W)),
    "NHWC": (Preprocessing(MEAN, layout="nhwc"), (2, H, W, 3)),
    "bytes": (Preprocessing(MEAN, uint8=True), (2, 3, H, W)),
    "bytes without a mean": (Preprocessing(uint8=True, layout="nhwc"), (2, H, W, 3)),
    "mean for every pixel": (Preprocessing(RNG.uniform(90, 130, (3, H, W))), (2, 3, H, W)),
    "crop": (Preprocessing(MEAN, crop_from=(H + 3, W + 4)), (2, 3, H + 3, W + 4)),
    "crop of any size": (Preprocessing(MEAN, crop_from=("height", "width")), (2, 3, H + 5, W + 2)),
    "crop of mean and picture": (
        Preprocessing(RNG.uniform(90, 130, (3, H + 5, W + 2)), crop_from=(H + 5, W + 2)),
        (2, 3, H + 5, W + 2),
    ),
    "all": (
        Preprocessing(MEAN, 0.017, rgb=True, layout="nhwc", uint8=True, crop_from=("height", "width")),
        (2, H + 1, W + 3, 3),
    ),
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", CASES)
def test_nodes_in_front(tmp_path, name, opset):
    wanted, shape = CASES[name]
    conversion = cbc.convert(*write_net(tmp_path, PASS), preprocessing=wanted, opset=opset)
    x = feed(shape, np.uint8 if wanted.uint8 else np.float32)
    runs = session(conversion)
    assert [i.name for i in runs.get_inputs()] == ["data"]
    (y,) = runs.run(None, {"data": x})
    expected = 2 * preprocessed(wanted, x, H, W)
    # two roundings of float32, of numbers up to 512
    np.testing.assert_allclose(y, expected, rtol=0, atol=2**-15)
    assert conversion.graph.shapes["data/preprocessed"] == (2, 3, H, W)


def test_caffe_s_order_of_mean_and_scale():
    x = np.full((1, 1, 2, 2), 110.0)
    np.testing.assert_array_equal(preprocessed(Preprocessing((100,), 0.5), x, 2, 2), np.full((1, 1, 2, 2), 5.0))


def test_the_centre_is_rounded_down():
    x = np.arange(2 * 5.0).reshape(1, 1, 2, 5)
    np.testing.assert_array_equal(preprocessed(Preprocessing(), x, 1, 2), [[[[1, 2]]]])


def test_dynamic_batch_and_size(tmp_path):
    net = write_net(tmp_path, PASS)
    conversion = cbc.convert(
        *net, shapes={"data": ("N", 3, "H", "W")}, preprocessing=Preprocessing(MEAN, uint8=True, layout="nhwc")
    )
    runs = session(conversion)
    for shape in ((1, 5, 6, 3), (4, 8, 3, 3)):
        x = feed(shape)
        expected = 2 * preprocessed(Preprocessing(MEAN, layout="nhwc"), x, *shape[1:3])
        np.testing.assert_allclose(runs.run(None, {"data": x})[0], expected, atol=2**-15)


def test_it_is_in_the_metadata_and_the_model_is_valid(tmp_path):
    wanted = Preprocessing(MEAN, 0.017, rgb=True, layout="nhwc", uint8=True)
    conversion = cbc.convert(*write_net(tmp_path, PASS), preprocessing=wanted)
    conversion.save(tmp_path / "out.onnx")
    model = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(model, full_check=True)
    told = json.loads({p.key: p.value for p in model.metadata_props}[METADATA_KEY])
    assert told["mean"] == list(MEAN)
    assert told["scale"] == 0.017
    assert (told["input"], told["layout"], told["type"], told["channels fed"]) == ("data", "nhwc", "uint8", "RGB")
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_nothing_to_do_adds_nothing(tmp_path):
    net = write_net(tmp_path, PASS)
    plain, with_nothing = cbc.convert(*net), cbc.convert(*net, preprocessing=Preprocessing((0, 0, 0)))
    assert with_nothing.graph.nodes == plain.graph.nodes


CONV = "convolution_param { num_output: 4 kernel_size: 3 %s }"
W_CONV, B_CONV = RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)
W_IP = RNG.normal(size=(5, 3 * H * W))
FOLDS = {
    "convolution": (layer("Convolution", "c", rest=CONV % ""), {"c": [W_CONV, B_CONV]}, {}),
    "convolution without bias": (layer("Convolution", "c", rest=CONV % "bias_term: false"), {"c": [W_CONV]}, {}),
    "bytes stay a node": (layer("Convolution", "c", rest=CONV % ""), {"c": [W_CONV, B_CONV]}, {"uint8": True}),
    "two readers": (
        layer("Convolution", "c", rest=CONV % "") + layer("Convolution", "d", rest=CONV % "stride: 2"),
        {"c": [W_CONV, B_CONV], "d": [2 * W_CONV, B_CONV]},
        {},
    ),
    "behind a dropout": (
        layer("Dropout", "o") + layer("Convolution", "c", "o", rest=CONV % ""),
        {"c": [W_CONV, B_CONV]},
        {},
    ),
    "inner product": (
        layer("InnerProduct", "c", rest="inner_product_param { num_output: 5 bias_term: false }"),
        {"c": [W_IP]},
        {},
    ),
    "inner product, transposed, mean for every pixel": (
        layer("InnerProduct", "c", rest="inner_product_param { num_output: 5 bias_term: false transpose: true }"),
        {"c": [W_IP.T]},
        {"mean": RNG.uniform(90, 130, (3, H, W))},
    ),
    "padding without a mean": (layer("Convolution", "c", rest=CONV % "pad: 1"), {"c": [W_CONV, B_CONV]}, {"mean": ()}),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
def test_folding(tmp_path, name):
    text, blobs, options = FOLDS[name]
    net = write_net(tmp_path, DATA + text, blobs)
    options = {"mean": MEAN, "scale": 0.017, "rgb": True, **options}
    apart = cbc.convert(*net, preprocessing=Preprocessing(**options))
    folded = cbc.convert(*net, preprocessing=Preprocessing(**options, fold=True))
    kinds = [node.op_type for node in folded.model.graph.node]
    assert not {"Sub", "Mul", "Gather"} & set(kinds)
    assert ("Cast" in kinds) == options.get("uint8", False)
    x = feed((2, 3, H, W), np.uint8 if options.get("uint8") else np.float32)
    for a, b in zip(session(folded).run(None, {"data": x}), session(apart).run(None, {"data": x}), strict=True):
        # the weights are rounded once more, and b - W·mean cancels: numbers of 255·0.017·27 at 2^-24, ten times over
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)
    assert np.abs(b).max() > 1


REFUSED = {
    "padding": (layer("Convolution", "c", rest=CONV % "pad: 1"), {"c": [W_CONV, B_CONV]}, {}, "pads its input"),
    "pooling": (
        layer("Pooling", "c", rest="pooling_param { kernel_size: 2 }"), {}, {}, "does not fold into a Pooling layer",
    ),
    "groups": (
        layer("Convolution", "c", rest="convolution_param { num_output: 3 kernel_size: 1 group: 3 }"),
        {"c": [RNG.normal(size=(3, 1, 1, 1)), np.ones(3)]}, {}, "3 groups of channels",
    ),
    "mean for every pixel": (
        layer("Convolution", "c", rest=CONV % ""), {"c": [W_CONV, B_CONV]},
        {"mean": RNG.uniform(90, 130, (3, H, W))}, "mean for every pixel",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fold_is_refused_by_name(tmp_path, name):
    text, blobs, options, words = REFUSED[name]
    net = write_net(tmp_path, DATA + text, blobs or None)
    wanted = Preprocessing(**{"mean": MEAN, "rgb": True, **options}, fold=True)
    with pytest.raises(UnsupportedError, match=words) as caught:
        cbc.convert(*net, preprocessing=wanted)
    assert 'layer "c"' in str(caught.value)
    assert "--fold-preprocess" in str(caught.value)


MISUSED = {
    "two values for three channels": (Preprocessing((1, 2)), "has 2 values"),
    "a mean of another size": (Preprocessing(np.ones((3, H, W + 1))), "pictures for the input"),
    "crop of something smaller": (Preprocessing(crop_from=(H - 1, W)), "cannot be cut from"),
    "no such input": (Preprocessing(scale=2, input="label"), '"label" is no input'),
}


@pytest.mark.parametrize("name", MISUSED)
def test_what_does_not_fit_is_refused(tmp_path, name):
    wanted, words = MISUSED[name]
    with pytest.raises(UsageError, match=words):
        cbc.convert(*write_net(tmp_path, PASS), preprocessing=wanted)


def test_rgb_needs_three_channels(tmp_path):
    text = input_layer(2, 4, H, W) + layer("ReLU", "r")
    with pytest.raises(UsageError, match="has 4"):
        cbc.convert(*write_net(tmp_path, text), preprocessing=Preprocessing(rgb=True))


def test_which_of_two_inputs(tmp_path):
    text = DATA + input_layer(2, 3, H, W, name="other") + layer("Eltwise", "sum", "data other")
    net = write_net(tmp_path, text)
    with pytest.raises(UsageError, match="--preprocess-input"):
        cbc.convert(*net, preprocessing=Preprocessing(scale=2))
    conversion = cbc.convert(*net, preprocessing=Preprocessing(scale=2, input="other"))
    ones = np.ones((2, 3, H, W), np.float32)
    np.testing.assert_array_equal(session(conversion).run(None, {"data": ones, "other": ones})[0], 3 * ones)


def test_a_blob_of_the_new_name_exists(tmp_path):
    text = DATA + layer("ReLU", "r", "data", "data/preprocessed") + layer("ReLU", "s", "data/preprocessed")
    conversion = cbc.convert(*write_net(tmp_path, text), preprocessing=Preprocessing(scale=2))
    assert conversion.graph.nodes[0].tops == ("data/preprocessed_2",)
    session(conversion)


TRANSFORM = """layer { name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 2 }
    transform_param { %s } }
"""


def transform(tmp_path, fields, mean=()):
    return from_prototxt(write_net(tmp_path, TRANSFORM % fields)[0], mean)


def test_transform_param(tmp_path):
    got = transform(tmp_path, "scale: 0.017 mean_value: 104 mean_value: 117 mean_value: 123 crop_size: 6 mirror: true")
    assert list(got.mean) == [104, 117, 123]
    assert got.scale32 == np.float32(0.017)
    assert got.crop_from == ("height", "width")


def test_a_mean_file_is_not_opened_by_itself(tmp_path):
    with pytest.raises(UsageError, match=r'names the mean file "/etc/passwd"'):
        transform(tmp_path, 'mean_file: "/etc/passwd"')
    got = transform(tmp_path, 'mean_file: "m.binaryproto" crop_size: 6', np.ones((3, 8, 8)))
    assert got.crop_from == (8, 8)


def test_a_deploy_net_has_no_transform_param(tmp_path):
    with pytest.raises(UsageError, match="train_val"):
        from_prototxt(write_net(tmp_path, PASS)[0])
