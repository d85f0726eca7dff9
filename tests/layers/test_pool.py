"""Pooling whose height and width are dynamic: the numbers of the same net with the sizes written down, or a refusal."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.layers.pool_axis import Axis
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net
from tests.opsets import NEWEST

SIZES = [(7, 9), (8, 13), (11, 6)]
GEOMETRIES = [
    (kernel, stride, pad, floor)
    for kernel, stride, pad, floor in itertools.product((1, 2, 3, 4, 5), (1, 2, 3), (0, 1, 2), (False, True))
    if pad < kernel
]


def net(folder, method, kernel, stride, pad, *, floor, other=""):
    rounding = "ceil_mode: false" if floor else ""
    rest = f"pooling_param {{ pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad} {rounding} {other} }}"
    return write_net(folder, input_layer(2, 3, 7, 9) + layer("Pooling", "y", rest=rest))[0]


def session(conversion):
    return ort.InferenceSession(conversion.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("kernel", range(1, 8))
def test_windows_are_counted_as_caffe_does(kernel):
    """pooling_layer.cpp, Reshape: round up, then drop a last window that begins behind the image."""
    for stride, pad, size in itertools.product(range(1, 9), range(kernel), range(1, 20)):
        count = -((kernel - size - 2 * pad) // stride) + 1
        if pad and (count - 1) * stride >= size + pad:
            count -= 1
        if size + 2 * pad >= kernel:
            assert Axis(kernel, stride, pad, ceil=True, clip=pad > 0, pad_end=pad).windows(size) == count


def compare(prototxt, shapes, opset=17):
    """Refused by name, or equal for every size that Caffe takes; returns how many sizes were compared."""
    try:
        dynamic = session(cbc.convert(prototxt, shapes={"data": shapes}, opset=opset))
    except UnsupportedError as error:
        assert 'layer "y" (Pooling)' in str(error)
        return 0
    compared = 0
    for height, width in SIZES:
        size = (2, 3, height, shapes[3] if isinstance(shapes[3], int) else width)
        try:
            fixed = session(cbc.convert(prototxt, shapes={"data": size}, opset=opset, allow="all"))
        except InvalidNetError:
            continue
        x = np.random.default_rng(height).normal(size=size).astype(np.float32) + 2
        (got,), (wanted,) = dynamic.run(None, {"data": x}), fixed.run(None, {"data": x})
        assert got.shape == wanted.shape
        # the divisors are one float32 division away from constants that were rounded once
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
        compared += 1
    return compared


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_dynamic_height_and_width(tmp_path, method, kernel):
    for geometry in GEOMETRIES:
        if geometry[0] != kernel:
            continue
        _, stride, pad, floor = geometry
        compared = compare(net(tmp_path, method, kernel, stride, pad, floor=floor), (2, 3, "H", "W"))
        # only windows that may lie outside the image are refused
        assert bool(compared) == (floor or stride <= kernel or pad > 0), geometry


@pytest.mark.parametrize("opset", [13, NEWEST])
@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_padded_and_rounding_up(tmp_path, method, opset):
    """The geometry of Inception and ResNet: AVE computes its divisors when it runs."""
    prototxt = net(tmp_path, method, 3, 2, 1, floor=False)
    assert compare(prototxt, ("N", 3, "H", "W"), opset) == len(SIZES)


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_one_axis_dynamic(tmp_path, method):
    for kernel, stride, pad, floor in GEOMETRIES[::5]:
        compare(net(tmp_path, method, kernel, stride, pad, floor=floor), (2, 3, "H", 11))


def test_windows_outside_on_the_fixed_axis(tmp_path):
    rest = "pooling_param { pool: MAX kernel_h: 2 kernel_w: 1 stride_h: 1 stride_w: 4 }"
    prototxt = write_net(tmp_path, input_layer(2, 3, 7, 10) + layer("Pooling", "y", rest=rest))[0]
    with pytest.raises(UnsupportedError, match="outside the image"):
        cbc.convert(prototxt, shapes={"data": (2, 3, "H", 10)}, allow="all").to_onnx()


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_global(tmp_path, method):
    rest = f"pooling_param {{ pool: {method} global_pooling: true }}"
    prototxt = write_net(tmp_path, input_layer(2, 3, 7, 9) + layer("Pooling", "y", rest=rest))[0]
    assert compare(prototxt, (2, 3, "H", "W")) == len(SIZES)


def pooled_same(x, method, kernel, stride):
    """Windows as TensorFlow's SAME places them, one by one; the divisor counts the padding, AVE_EXC_PAD's does not."""
    sizes = [-(-n // stride) for n in x.shape[2:]]
    pads = [max((count - 1) * stride + kernel - n, 0) for count, n in zip(sizes, x.shape[2:], strict=True)]
    y = np.empty((*x.shape[:2], *sizes))
    for at in np.ndindex(*sizes):
        begin = [i * stride - pad // 2 for i, pad in zip(at, pads, strict=True)]
        ends = [min(b + kernel, n + pad - pad // 2) for b, n, pad in zip(begin, x.shape[2:], pads, strict=True)]
        cells = x[:, :, max(begin[0], 0) : ends[0], max(begin[1], 0) : ends[1]]
        whole = (ends[0] - begin[0]) * (ends[1] - begin[1])
        divisor = whole if method == "AVE" else cells.shape[2] * cells.shape[3]
        y[:, :, at[0], at[1]] = cells.max((2, 3)) if method == "MAX" else cells.sum((2, 3)) / divisor
    return y


@pytest.mark.parametrize("method", ["MAX", "AVE", "AVE_EXC_PAD"])
@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (2, 2), (3, 1), (3, 2), (5, 3), (1, 2), (2, 3)])
def test_same_as_tensorflow_pads(tmp_path, method, kernel, stride):
    """synopsys-caffe's ``pad_type: 1``."""
    rest = f"pooling_param {{ pool: {method} kernel_size: {kernel} stride: {stride} pad_type: 1 }}"
    x = values("data", 2, 3, 7, 9)
    got = check_by_oracle(tmp_path, input_layer(2, 3, 7, 9) + layer("Pooling", "y", rest=rest), {"data": x})["y"]
    np.testing.assert_allclose(got, pooled_same(x.astype(np.float64), method, kernel, stride), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["MAX", "AVE", "AVE_EXC_PAD"])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_where_the_window_is_larger_than_the_image(tmp_path, method, stride):
    """As behind the last maps of a detector; without pad_type such a window would not fit."""
    rest = f"pooling_param {{ pool: {method} kernel_size: 5 stride: {stride} pad_type: 1 }}"
    x = values("data", 2, 3, 1, 2)
    text = input_layer(2, 3, 1, 2) + layer("Pooling", "y", rest=rest)
    got = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_allclose(got, pooled_same(x.astype(np.float64), method, 5, stride), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("kernel_size: 2 pad_type: 2", "pad_type 2 is not known"),
        ("kernel_size: 2 pad: 0 pad_type: 1", "takes either"),
        ("kernel_size: 3 pad_l: 1 pad_type: 1", "takes either"),
        ("global_pooling: true pad_type: 1", "given together"),
    ],
)
def test_same_refuses_what_its_fork_refuses(tmp_path, rest, message):
    text = input_layer(2, 3, 7, 9) + layer("Pooling", "y", rest=f"pooling_param {{ {rest} }}")
    with pytest.raises(InvalidNetError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])
