from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from caffe_bn_convert.caffe import hdf5
from caffe_bn_convert.caffe.blob import Encoding
from caffe_bn_convert.caffe.caffemodel import read
from caffe_bn_convert.errors import (
    ConversionError,
    ResourceLimitError,
    UnreadableError,
    UnsupportedError,
    WrongFileError,
)

from .wirewriter import DIGITS, SHARED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

h5py = pytest.importorskip("h5py")

VALUES = np.arange(42, dtype=np.float32).reshape(2, 3, 7) / 8
PAIRS = [(DIGITS / "digits.caffemodel.h5", DIGITS / "digits.caffemodel")]
if SHARED.is_dir():
    PAIRS += [(path, path.with_suffix("")) for path in sorted(SHARED.rglob("*.caffemodel.h5"))]


def written(tmp_path: Path, fill: Callable[[Any], None], **options: Any) -> Path:
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w", **options) as file:
        fill(file)
    return path


def one(tmp_path: Path, **options: Any) -> Any:
    path = written(tmp_path, lambda file: file.create_dataset("data/conv/0", **options))
    (layer,) = read(path).layers
    return layer.blobs[0]


@pytest.mark.parametrize(("packed", "binary"), PAIRS, ids=lambda path: path.name)
def test_the_same_numbers_as_in_the_binary_file(packed: Path, binary: Path) -> None:
    theirs = {layer.name: layer for layer in read(binary).layers if layer.blobs}
    ours = {layer.name: layer for layer in read(packed).layers if layer.blobs}
    assert ours.keys() == theirs.keys()
    for name, layer in ours.items():
        for mine, other in zip(layer.blobs, theirs[name].blobs, strict=True):
            assert mine is not None
            assert other is not None
            assert mine.passes_through
            assert mine.shape == other.shape
            assert mine.read().tobytes() == other.read().tobytes()


def test_size_and_time_are_recorded(tmp_path: Path) -> None:
    path = written(tmp_path, lambda file: file.create_group("data"))
    model = read(path)
    assert (model.layers, model.size, model.mtime_ns) == ((), path.stat().st_size, path.stat().st_mtime_ns)


@pytest.mark.parametrize(("dtype", "encoding"), [("<f2", "<f2"), ("<f4", "<f4"), ("<f8", "<f8")])
def test_contiguous_numbers_are_only_located(tmp_path: Path, dtype: str, encoding: str) -> None:
    blob = one(tmp_path, data=VALUES.astype(dtype))
    assert (blob.encoding, blob.array) == (Encoding(encoding), None)
    assert np.array_equal(blob.read(), VALUES.ravel())


@pytest.mark.parametrize(
    "options",
    [
        {"data": VALUES.astype(">f4")},
        {"data": VALUES, "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"data": VALUES, "compression": "lzf"},
        {"data": VALUES.astype("f8"), "chunks": (1, 3, 7)},
    ],
)
def test_other_numbers_are_decoded(tmp_path: Path, options: dict[str, Any]) -> None:
    blob = one(tmp_path, **options)
    assert (blob.spans, blob.shape) == ((), (2, 3, 7))
    assert np.array_equal(blob.read(), VALUES.ravel())


def test_numbers_that_were_never_written_are_zero(tmp_path: Path) -> None:
    assert one(tmp_path, shape=(2, 3), dtype="<f4").read().tolist() == [0] * 6


def test_a_number_without_dims(tmp_path: Path) -> None:
    blob = one(tmp_path, data=np.float32(2.5))
    assert (blob.shape, blob.read().tolist()) == ((), [2.5])


def test_behind_a_block_of_the_users_own(tmp_path: Path) -> None:
    path = written(tmp_path, lambda file: file.create_dataset("data/conv/0", data=VALUES), userblock_size=1024)
    (layer,) = read(path).layers
    assert layer.blobs[0] is not None
    assert np.array_equal(layer.blobs[0].read(), VALUES.ravel())


def test_a_blob_that_another_layer_owns_is_none(tmp_path: Path) -> None:
    (layer,) = read(written(tmp_path, lambda file: file.create_dataset("data/conv/1", data=VALUES))).layers
    assert layer.blobs[0] is None
    assert layer.blobs[1] is not None


def test_links_are_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_dataset("data/conv/0", data=VALUES)

    for place in ("data", "data/conv", "data/conv/0"):
        for link in (h5py.ExternalLink(str(other), place), h5py.SoftLink("/elsewhere")):

            def fill(file: Any, place: str = place, link: Any = link) -> None:
                file[place] = link

            with pytest.raises(UnreadableError, match="is a link"):
                read(written(tmp_path, fill))


def test_numbers_in_another_file_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(VALUES.tobytes())
    with pytest.raises(UnreadableError, match="lies in another file"):
        one(tmp_path, shape=(42,), dtype="<f4", external=[(str(secret), 0, 168)])


def test_a_virtual_dataset_is_not_read(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_dataset("x", data=VALUES)
    layout = h5py.VirtualLayout((2, 3, 7), "<f4")
    layout[...] = h5py.VirtualSource(str(other), "x", (2, 3, 7))
    with pytest.raises(UnreadableError, match="lies in another file"):
        read(written(tmp_path, lambda file: file.create_virtual_dataset("data/conv/0", layout)))


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i4", "S3"])
def test_integers_and_text_are_no_weights(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="no floats"):
        one(tmp_path, data=np.zeros(3, dtype))


def test_a_file_that_would_unpack_to_more_than_is_sane(tmp_path: Path) -> None:
    with pytest.raises(ResourceLimitError, match="would unpack to more than 100 times"):
        one(tmp_path, shape=(1 << 40,), dtype="<f4", chunks=(1 << 20,), compression="gzip")


def test_a_dataset_that_claims_to_be_huge_and_was_never_written(tmp_path: Path) -> None:
    with pytest.raises(ResourceLimitError):
        one(tmp_path, shape=(1 << 50,), dtype="<f4")


def test_an_empty_dataset(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="/data/conv/0 is empty"):
        one(tmp_path, data=h5py.Empty("<f4"))


@pytest.mark.parametrize(
    ("place", "told"), [("data/a/b/0", "/data/a/b is no blob"), ("data/0", "is no group"), ("data/a/-1", "no blob")]
)
def test_what_caffe_does_not_write(tmp_path: Path, place: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told):
        read(written(tmp_path, lambda file: file.create_dataset(place, data=VALUES)))


def test_a_group_in_a_blobs_place(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="/data/a/0 is no dataset"):
        read(written(tmp_path, lambda file: file.create_group("data/a/0")))


def test_an_hdf5_file_of_somebody_else(tmp_path: Path) -> None:
    with pytest.raises(WrongFileError, match="not one of Caffe's: it holds model_weights"):
        read(written(tmp_path, lambda file: file.create_group("model_weights")))


def test_without_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UnreadableError) as caught:
        read(DIGITS / "digits.caffemodel.h5")
    assert "pip install 'caffe-bn-convert[hdf5]'" in str(caught.value)


def test_cut_off(tmp_path: Path) -> None:
    data = (DIGITS / "digits.caffemodel.h5").read_bytes()
    path = tmp_path / "net.caffemodel.h5"
    for length in range(8, len(data), len(data) // 50):
        path.write_bytes(data[:length])
        with pytest.raises(ConversionError):
            read(path)


def test_is_hdf5() -> None:
    signature = b"\x89HDF\r\n\x1a\n"
    assert hdf5.is_hdf5(signature)
    assert hdf5.is_hdf5(bytes(2048) + signature)
    assert not hdf5.is_hdf5(bytes(100) + signature)
    assert not hdf5.is_hdf5(b"")
