from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle import forward
from caffe_bn_convert.verify.oracle.filler import bilinear


def dummy(text, tops=2):
    wires = "".join(f' top: "t{i}"' for i in range(tops))
    return forward(parse_net(f'layer {{ type: "DummyData"{wires} dummy_data_param {{ {text} }} }}').layers[0], [], ())


def test_dummy_data():
    a, b = dummy("shape { dim: 2 dim: 3 } shape { dim: 7 } data_filler { value: 0.5 }")
    np.testing.assert_array_equal(a, np.full((2, 3), 0.5))
    np.testing.assert_array_equal(b, np.full(7, 0.5))
    a, b = dummy("num: 2 channels: 3 height: 7 width: 9")
    np.testing.assert_array_equal(a, np.zeros((2, 3, 7, 9)))
    assert b.shape == a.shape
    with pytest.raises(InvalidNetError):
        dummy("shape { dim: 2 } shape { dim: 2 }", 3)


def test_parameter(apply):
    text = "parameter_param { shape { dim: 2 dim: 3 } }"
    blob = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(apply("Parameter", text, blobs=[blob])[0], blob.reshape(2, 3))
    np.testing.assert_array_equal(apply("Parameter", text)[0], np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("width", "line"), [(1, [1]), (2, [0.5, 0.5]), (3, [0.5, 1, 0.5]), (4, [0.25, 0.75, 0.75, 0.25])]
)
def test_bilinear(width, line):
    np.testing.assert_allclose(bilinear((3, 1, width, width)), np.tile(np.outer(line, line), (3, 1, 1, 1)))


def test_bilinear_needs_a_square():
    with pytest.raises(InvalidNetError):
        bilinear((3, 1, 2, 4))
