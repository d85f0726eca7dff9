from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle import forward

A, B, C = np.random.default_rng(13).uniform(-1, 1, (3, 2, 3, 7, 9))


def tops(kind, count, text, *bottoms):
    wires = "".join(f' bottom: "b{i}"' for i in range(len(bottoms))) + "".join(f' top: "t{i}"' for i in range(count))
    return forward(parse_net(f'layer {{ type: "{kind}"{wires} {text} }}').layers[0], bottoms, ())


def test_eltwise(apply):
    text = "eltwise_param { operation: %s }"
    np.testing.assert_array_equal(apply("Eltwise", text % "PROD", A, B, C)[0], A * B * C)
    np.testing.assert_array_equal(apply("Eltwise", text % "MAX", A, B, C)[0], np.maximum(np.maximum(A, B), C))
    np.testing.assert_array_equal(apply("Eltwise", "", A, B, C)[0], A + B + C)
    (y,) = apply("Eltwise", "eltwise_param { coeff: 2 coeff: 0 coeff: -1 }", A, B, C)
    np.testing.assert_array_equal(y, A * 2 - C)
    (y,) = apply("Eltwise", "eltwise_param { coeff: 0 coeff: 1 }", np.full_like(A, np.inf), B)
    np.testing.assert_array_equal(y, B)


def test_eltwise_of_synopsys(apply):
    text = "eltwise_param { axis: 1 operation: %s }"
    np.testing.assert_array_equal(apply("Eltwise", text % "DIV", A, B[0, :, :, 0])[0], A / B[0, :, :, :1])
    np.testing.assert_array_equal(apply("Eltwise", text % "MIN", A, B[0, :, 0, 0])[0], np.minimum(A, B[0, :, :1, :1]))


@pytest.mark.parametrize(
    ("text", "bottoms"),
    [("", [A]), ("", [A, B[:1]]), ("coeff: 1", [A, B]), ("operation: PROD coeff: 1 coeff: 2", [A, B])],
)
def test_eltwise_refuses(apply, text, bottoms):
    with pytest.raises(InvalidNetError):
        apply("Eltwise", f"eltwise_param {{ {text} }}", *bottoms)


def test_concat(apply):
    np.testing.assert_array_equal(apply("Concat", "", A, B[:, :1])[0], np.concatenate([A, B[:, :1]], 1))
    np.testing.assert_array_equal(apply("Concat", "concat_param { axis: -1 }", A, B)[0], np.concatenate([A, B], 3))
    np.testing.assert_array_equal(apply("Concat", "concat_param { concat_dim: 2 }", A, B)[0], np.concatenate([A, B], 2))
    with pytest.raises(InvalidNetError, match="differ"):
        apply("Concat", "", A, B[:1])


def test_slice():
    for y, expected in zip(tops("Slice", 3, "", A), np.split(A, 3, 1), strict=True):
        np.testing.assert_array_equal(y, expected)
    parts = tops("Slice", 3, "slice_param { slice_dim: 3 slice_point: 2 slice_point: 7 }", A)
    assert [part.shape[3] for part in parts] == [2, 5, 2]
    for text in ("", "slice_param { slice_point: 3 }", "slice_param { slice_point: 1 slice_point: 2 }"):
        with pytest.raises(InvalidNetError):
            tops("Slice", 2, text, A)


def test_split():
    assert all(y.shape == A.shape for y in tops("Split", 3, "", A))


def test_batch_reindex(apply):
    np.testing.assert_array_equal(apply("BatchReindex", "", A, [1, 1, 0])[0], A[[1, 1, 0]])
    with pytest.raises(InvalidNetError):
        apply("BatchReindex", "", A, [2])


def test_filter():
    y, z = tops("Filter", 2, "", A, B[..., 0], np.array([0, 0.5]).reshape(2, 1, 1))
    np.testing.assert_array_equal(y, A[1:])
    np.testing.assert_array_equal(z, B[1:, ..., 0])
    assert tops("Filter", 1, "", A, np.zeros(2))[0].shape == (0, 3, 7, 9)
    with pytest.raises(InvalidNetError):
        tops("Filter", 1, "", A, np.zeros(3))
