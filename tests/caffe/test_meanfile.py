from __future__ import annotations

import io

import numpy as np
import pytest

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.meanfile import read_mean
from caffe_bn_convert.errors import UnreadableError, WrongFileError

MEAN = np.random.default_rng(3).uniform(90, 130, (3, 7, 9)).astype(np.float32)


def binaryproto(array, *, legacy=True):
    blob = schema.message("BlobProto")(data=array.ravel())
    if legacy:
        blob.num, (blob.channels, blob.height, blob.width) = 1, array.shape
    else:
        blob.shape.dim.extend(array.shape)
    return blob.SerializeToString()


@pytest.mark.parametrize("legacy", [True, False])
def test_binaryproto(tmp_path, legacy):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(binaryproto(MEAN, legacy=legacy))
    np.testing.assert_array_equal(read_mean(path), MEAN)


@pytest.mark.parametrize(
    "array", [MEAN, MEAN[None], np.asfortranarray(MEAN), MEAN.mean((1, 2)), MEAN.astype(np.float64)]
)
def test_npy(tmp_path, array):
    np.save(tmp_path / "mean.npy", array)
    expected = array.reshape(array.shape[-3:] if array.ndim > 1 else -1)
    np.testing.assert_array_equal(read_mean(tmp_path / "mean.npy"), expected.astype(np.float32))


def test_one_pixel_is_one_mean_for_each_channel(tmp_path):
    np.save(tmp_path / "mean.npy", np.array([[[1.0]], [[2]], [[3]]]))
    np.testing.assert_array_equal(read_mean(tmp_path / "mean.npy"), [1, 2, 3])


def test_a_missing_file(tmp_path):
    with pytest.raises(WrongFileError, match="no such file"):
        read_mean(tmp_path / "mean.binaryproto")


def claims_too_much():
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)})
    return out.getvalue() + b"1234"


def of_objects():
    out = io.BytesIO()
    np.save(out, np.array([None, "x"], dtype=object), allow_pickle=True)
    return out.getvalue()


BAD = {
    "cut off": binaryproto(MEAN)[:-5],
    "two numbers without a shape": schema.message("BlobProto")(data=[1, 2]).SerializeToString(),
    "text": b"this is a text, no mean\n",
    "an npy that claims more than it has": claims_too_much(),
    "pickled objects": of_objects(),
    "an npy cut off": b"\x93NUMPY\x01\x00\xff",
}


@pytest.mark.parametrize("name", BAD)
def test_other_bytes(tmp_path, name):
    path = tmp_path / "mean"
    path.write_bytes(BAD[name])
    with pytest.raises(UnreadableError, match="mean"):
        read_mean(path)


def test_two_axes_are_no_mean(tmp_path):
    np.save(tmp_path / "mean.npy", np.ones((3, 4)))
    with pytest.raises(UnreadableError, match=r"this has 3×4"):
        read_mean(tmp_path / "mean.npy")


def test_nan(tmp_path):
    np.save(tmp_path / "mean.npy", np.array([1, np.nan]))
    with pytest.raises(UnreadableError, match="not finite"):
        read_mean(tmp_path / "mean.npy")
