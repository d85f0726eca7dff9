from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.export.wire import varint
from tests.nets import input_layer, layer, write_net
from tests.paths import FIXTURES

RNG = np.random.default_rng(3)
WEIGHT, BIAS = RNG.normal(size=(8, 3, 5, 7)).astype(np.float32), RNG.normal(size=8).astype(np.float32)
DIGITS = FIXTURES / "digits"


@pytest.fixture
def net(tmp_path):
    text = input_layer(2, 3, 9, 11) + layer(
        "Convolution", "c", rest="convolution_param { num_output: 8 kernel_h: 5 kernel_w: 7 }"
    )
    return write_net(tmp_path, text, {"c": [WEIGHT, BIAS]})


def run(path):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"data": np.random.default_rng(1).normal(size=(2, 3, 9, 11)).astype(np.float32)})[0]


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31 - 1, 2**35])
def test_varint_is_protobufs(number):
    reference = onnx.TensorProto(dims=[number]).SerializeToString()
    assert reference.endswith(varint(number))


@pytest.mark.parametrize("mode", ["embed", "external", "in-place"])
def test_every_mode_holds_the_same_model(net, tmp_path, mode):
    conversion = cbc.convert(*net)
    whole = tmp_path / "whole.onnx"
    onnx.save(conversion.to_onnx(), whole)
    path = tmp_path / "out.onnx"
    data = conversion.save(path, mode)
    onnx.checker.check_model(str(path), full_check=True)
    np.testing.assert_array_equal(run(path), run(whole))
    assert (data is not None) == (mode == "external")
    loaded = onnx.load(path)
    weight = next(i for i in loaded.graph.initializer if i.name == "c/weight")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight, str(tmp_path)), WEIGHT)
    assert [p.key for p in loaded.metadata_props] == ["caffe.caffemodel.sha256", "caffe.prototxt.sha256"]


@pytest.mark.parametrize("mode", ["embed", "external", "in-place"])
def test_same_input_same_bytes(net, tmp_path, mode):
    first, second = tmp_path / "a" / "out.onnx", tmp_path / "b" / "out.onnx"
    for path in (first, second):
        path.parent.mkdir()
        if mode == "in-place":
            os.link(net[1], path.parent / "w.caffemodel")  # resolved below: a copy, since links are refused
            copy = (path.parent / "w.caffemodel").read_bytes()
            (path.parent / "w.caffemodel").unlink()
            (path.parent / "w.caffemodel").write_bytes(copy)
            cbc.convert(net[0], path.parent / "w.caffemodel").save(path, mode)
        else:
            cbc.convert(*net).save(path, mode)
    assert first.read_bytes() == second.read_bytes()
    assert [p.name for p in sorted(first.parent.iterdir())] == [p.name for p in sorted(second.parent.iterdir())]


def test_weights_are_copied_and_not_rounded(tmp_path):
    """Every float32 of the caffemodel that only needs copying is in the file bit by bit, NaN payloads too."""
    strange = np.array([0x7FC00001, 0xFFC00001, 0x00000001, 0x80000000], np.uint32).view(np.float32)
    text = input_layer(2, 4) + layer(
        "InnerProduct", "ip", rest="inner_product_param { num_output: 1 bias_term: false }"
    )
    conversion = cbc.convert(*write_net(tmp_path, text, {"ip": [strange.reshape(1, 4)]}), allow="all")
    path = tmp_path / "out.onnx"
    conversion.save(path)
    assert strange.tobytes() in path.read_bytes()


def test_what_stood_there_survives_a_failure(net, tmp_path):
    path = tmp_path / "out.onnx"
    path.write_bytes(b"before")
    conversion = cbc.convert(*net)
    os.utime(net[1], ns=(1, 1))  # the caffemodel changes between reading and writing
    with pytest.raises(cbc.UnreadableError):
        conversion.save(path)
    assert path.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.prototxt", "out.onnx", "weights.caffemodel"]


def test_external_data_replaces_its_predecessor_only_after_the_model(net, tmp_path):
    path = tmp_path / "out.onnx"
    first = cbc.convert(*net).save(path, "external")
    again = cbc.convert(*net).save(path, "external")
    assert first == again
    other = tmp_path / "other"
    other.mkdir()
    changed = write_net(other, net[0].read_text(), {"c": [WEIGHT * 2, BIAS]})
    second = cbc.convert(*changed).save(path, "external")
    assert second != first
    assert not first.exists()
    assert second.exists()


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "elsewhere"])
def test_in_place_is_refused_where_onnx_cannot_point(net, tmp_path, kind):
    folder = tmp_path / "sub"
    folder.mkdir()
    weights, target = folder / "w.caffemodel", folder / "out.onnx"
    if kind == "symlink":
        weights.symlink_to(net[1])
    elif kind == "hardlink":
        weights.hardlink_to(net[1])
    else:
        weights = net[1]
    with pytest.raises(cbc.UsageError, match="--weights in-place is not possible"):
        cbc.convert(net[0], weights).save(target, "in-place")
    assert not target.exists()


def test_the_folder_must_exist(net, tmp_path):
    with pytest.raises(cbc.CannotWriteError, match=r"cannot write .*No such file"):
        cbc.convert(*net).save(tmp_path / "nowhere" / "out.onnx")
    with pytest.raises(cbc.CannotWriteError, match="is a folder"):
        cbc.convert(*net).save(tmp_path)


def test_digits(tmp_path):
    expected = np.load(DIGITS / "expected.npz")
    cbc.convert(DIGITS / "deploy.prototxt", DIGITS / "digits.caffemodel", batch="dynamic").save(tmp_path / "d.onnx")
    session = ort.InferenceSession(str(tmp_path / "d.onnx"), providers=["CPUExecutionProvider"])
    got = session.run(None, {"data": expected[next(k for k in expected.files if expected[k].ndim == 4)]})[0]
    wanted = expected[next(k for k in expected.files if expected[k].ndim == 2)]
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert Path(tmp_path / "d.onnx").stat().st_size < (DIGITS / "digits.caffemodel").stat().st_size * 1.2
