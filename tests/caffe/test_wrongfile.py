from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper

from caffe_bn_convert.caffe.caffemodel import read
from caffe_bn_convert.caffe.filekind import kind_of
from caffe_bn_convert.caffe.wrongfile import check_prototxt, check_weights, read_head
from caffe_bn_convert.errors import ConversionError, UnreadableError, WrongFileError

from .wirewriter import DIGITS, SHARED, floats, layer, nested, net, number, shape

if TYPE_CHECKING:
    from pathlib import Path

PROTOTXT = (DIGITS / "deploy.prototxt").read_bytes()
CAFFEMODEL = (DIGITS / "digits.caffemodel").read_bytes()
HDF5 = (DIGITS / "digits.caffemodel.h5").read_bytes()

LFS = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 102502400
"""
HTML = b'\n\n<!DOCTYPE html>\n<html lang="en"><head><title>net/weights.caffemodel at master</title></head></html>'
MEAN_OLD = number(1, 1) + number(2, 3) + number(3, 2) + number(4, 2) + nested(5, floats(*range(12)))
MEAN_NEW = nested(5, floats(*range(12))) + shape(1, 3, 2, 2)


def onnx_bytes() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    return bytes(helper.make_model(graph, producer_name="pytorch", producer_version="2.1").SerializeToString())


def solverstate() -> bytes:
    history = nested(5, floats(*[0.5] * 20)) + shape(4, 5)
    return number(1, 10000) + nested(2, b"snapshots/lenet_iter_10000.caffemodel") + nested(3, history) + number(4, 2)


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"contents")
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.caffemodel"))
    return stream.getvalue()


def numpy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def numpy_archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    return stream.getvalue()


TENSORFLOW = nested(1, nested(1, b"input"), nested(2, b"Placeholder"), nested(5, nested(1, b"dtype"))) * 3
CORE_ML = number(1, 4) + nested(2, nested(1, nested(1, b"x"), nested(3, b"\x2a\x05\x0a\x03")), nested(10, nested(1)))
SAVED_MODEL = number(1, 1) + nested(2, nested(1, nested(4, b"serve"), nested(5, b"1.15.0")), nested(2, TENSORFLOW))
OLD_PYTORCH = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)

# what it says that the file is, what it tells to do, the file
NEITHER = [
    ("a Git LFS pointer", "git lfs pull", LFS),
    ("a web page", "press 'Raw'", HTML),
    ("a web page", "press 'Raw'", b"\xef\xbb\xbf<html>"),
    ("compressed with gzip", "Unpack", gzip.compress(CAFFEMODEL)),
    ("compressed with bzip2", "Unpack", bz2.compress(CAFFEMODEL)),
    ("compressed with xz", "Unpack", lzma.compress(CAFFEMODEL)),
    ("a tar archive", "Unpack", tarred()),
    ("a zip archive", "Unpack", zipped("net/net.caffemodel")),
    ("a PyTorch file", "Caffe only", zipped("archive/data.pkl")),
    ("a PyTorch file", "Caffe only", OLD_PYTORCH),
    ("a Python pickle", "never loaded", pickle.dumps({"conv1": [1.0, 2.0]})),
    ("a NumPy array", "Caffe only", numpy_bytes()),
    ("a NumPy .npz file", "Caffe only", numpy_archive()),
    ("a .solverstate", "the .caffemodel saved beside it", solverstate()),
    ("a mean image", "Give the net's .caffemodel", MEAN_OLD),
    ("a mean image", "Give the net's .caffemodel", MEAN_NEW),
    ("an ONNX file", "converted already", onnx_bytes()),
    ("a frozen TensorFlow graph", "Caffe only", TENSORFLOW),
    ("a TensorFlow SavedModel or a Core ML model", "Caffe only", SAVED_MODEL),
    ("a TensorFlow SavedModel or a Core ML model", "Caffe only", CORE_ML),
    ("a TensorFlow Lite file", "Caffe only", b"\x1c\0\0\0TFL3\x14\0\x20\0"),
    ("a safetensors file", "Caffe only", b'\x40\0\0\0\0\0\0\0{"weight":{"dtype":"F32"'),
    (
        "an ncnn .param",
        "converted already",
        b"7767517\n75 83\nInput            data             0 1 data 0=227 1=227\n",
    ),
    ("an ncnn .param.bin", "converted already", b"\xdd\x85\x76\0\x4b\0\0\0\x53\0\0\0"),
    ("an ncnn .bin", "converted already", bytes(4) + floats(0.1, -0.3)),
    ("an ncnn .bin", "converted already", b"\x47\x6b\x30\x01" + bytes(range(20))),
    ("a Darknet .weights file", "Caffe only", b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(8)),
    ("a Darknet .cfg", "Caffe only", b"[net]\nbatch=64\nwidth=416\n"),
    ("an MXNet .params file", "Caffe only", b"\x12\1\0\0\0\0\0\0" + bytes(8)),
    ("a JSON file", "Caffe only", b'{\n  "nodes": [{"op": "null", "name": "data"}]}'),
    ("an XML file", "Caffe only", b'<?xml version="1.0"?>\n<net name="net" version="10">'),
    ("text in UTF-16", "as UTF-8", PROTOTXT.decode().encode("utf-16")),
    ("text in UTF-16", "as UTF-8", PROTOTXT.decode().encode("utf-16-le")),
    ("text in UTF-16", "as UTF-8", PROTOTXT.decode().encode("utf-16-be")),
    ("an image", "Caffe only", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("nothing but zeros", "get it again", bytes(5000)),
]


def written(tmp_path: Path, data: bytes, name: str = "given") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("what", "hint", "data"), NEITHER, ids=lambda value: value if isinstance(value, str) else "")
def test_files_that_are_neither(tmp_path: Path, what: str, hint: str, data: bytes) -> None:
    path = written(tmp_path, data)
    for check, wanted in ((read, ".caffemodel"), (check_weights, ".caffemodel"), (check_prototxt, ".prototxt")):
        with pytest.raises(WrongFileError) as caught:
            check(path)
        assert f"given: is {what}" in str(caught.value)
        assert f"not a {wanted}" in str(caught.value)
        assert hint in str(caught.value)


def test_swapped(tmp_path: Path) -> None:
    for check, data, what in (
        (check_weights, PROTOTXT, "is a prototxt, not a .caffemodel"),
        (check_prototxt, CAFFEMODEL, "is a .caffemodel, not a .prototxt"),
        (check_prototxt, HDF5, "is an HDF5 file, not a .prototxt"),
    ):
        with pytest.raises(WrongFileError, match=what) as caught:
            check(written(tmp_path, data))
        assert "The .prototxt comes first" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        layer("conv", "Convolution"),
        nested(1, b"a name that is longer than thirty-two letters") + layer("conv", "Convolution"),
        nested(3, b"data") + number(4, 1) * 4 + layer("conv", "Convolution"),
        net(nested(2, nested(4, b"conv"))),
    ],
)
def test_caffemodels_of_any_kind_are_let_through(tmp_path: Path, data: bytes) -> None:
    check_weights(written(tmp_path, data))
    with pytest.raises(WrongFileError, match=r"is a \.caffemodel"):
        check_prototxt(written(tmp_path, data))


@pytest.mark.parametrize(
    "data", [b"# a comment\n\nlayer{}", b"\xef\xbb\xbfname: 'n'", b"nonsense", b"name: '\xbe\xed'\n"]
)
def test_text_is_left_to_the_parser(tmp_path: Path, data: bytes) -> None:
    check_prototxt(written(tmp_path, data))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference nets in ../shared are not here")
def test_no_real_file_is_mistaken() -> None:
    for path in SHARED.rglob("*.prototxt"):
        if path.name != "solver.prototxt":
            check_prototxt(path)
    for path in (*SHARED.rglob("*.caffemodel"), *SHARED.rglob("*.h5")):
        check_weights(path)


def test_a_solver(tmp_path: Path) -> None:
    path = DIGITS / "solver.prototxt"
    with pytest.raises(WrongFileError, match="is a solver's definition, not a net"):
        check_prototxt(path)
    with pytest.raises(WrongFileError, match="is a prototxt"):
        check_weights(path)


def test_a_net_quantised_by_ristretto(tmp_path: Path) -> None:
    text = b'layer { name: "conv1" type: "ConvolutionRistretto" quantization_param { bw_params: 8 } }'
    with pytest.raises(WrongFileError, match="quantised by Ristretto"):
        check_prototxt(written(tmp_path, text))


def test_an_unknown_binary_file_is_no_prototxt(tmp_path: Path) -> None:
    with pytest.raises(WrongFileError, match="is a binary file"):
        check_prototxt(written(tmp_path, b"\xff\xfb\x90\0\1\2\3" * 9))


def test_empty(tmp_path: Path) -> None:
    with pytest.raises(WrongFileError, match="is empty"):
        read(written(tmp_path, b""))


def test_a_directory_tells_what_it_holds(tmp_path: Path) -> None:
    written(tmp_path, b"x", "net.caffemodel")
    with pytest.raises(WrongFileError, match="is a directory") as caught:
        read(tmp_path)
    assert "It holds net.caffemodel." in str(caught.value)


def test_a_missing_file_tells_of_similar_ones(tmp_path: Path) -> None:
    written(tmp_path, b"x", "mobilenet_v2.caffemodel")
    written(tmp_path, b"x", "readme.txt")
    with pytest.raises(WrongFileError, match="there is no such file") as caught:
        read(tmp_path / "mobilenet-v2.caffemodel")
    told = str(caught.value)
    assert "Did you mean" in told
    assert "mobilenet_v2.caffemodel?" in told
    assert "readme" not in told


def test_a_missing_file_in_a_missing_directory() -> None:
    with pytest.raises(WrongFileError, match="there is no such file") as caught:
        read("no/such/net.caffemodel")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WrongFileError, match="a pipe or a device"):
        read(tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, CAFFEMODEL)
    path.chmod(0)
    with pytest.raises(UnreadableError, match="cannot be read"):
        read(path)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(ConversionError):
        read("a" * 5000)
    with pytest.raises(ConversionError):
        read("a\0b")


def test_read_head_is_bounded(tmp_path: Path) -> None:
    assert len(read_head(written(tmp_path, bytes(1 << 20)))) == 1 << 16


def test_any_beginning_has_a_kind_or_none() -> None:
    for data in (PROTOTXT, CAFFEMODEL, HDF5, *(data for _, _, data in NEITHER)):
        for length in range(1, 200):
            kind_of(data[:length])
