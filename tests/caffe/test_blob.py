from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_bn_convert.caffe.blob import Blob, Encoding, Span, read_exactly, shape_text
from caffe_bn_convert.errors import InvalidNetError, UnreadableError

VALUES = np.arange(42, dtype=np.float32) / 8


def stored(tmp_path: Path, encoding: Encoding, *, before: int = 3) -> Blob:
    path = tmp_path / "numbers"
    data = VALUES.astype(encoding.dtype).tobytes()
    path.write_bytes(bytes(before) + data)
    return Blob((2, 3, 7), False, encoding, (Span(path, before, len(data)),))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_read(tmp_path: Path, encoding: Encoding) -> None:
    blob = stored(tmp_path, encoding)
    assert blob.read().dtype == np.float32
    assert np.array_equal(blob.read(), VALUES)
    assert blob.read64().dtype == np.float64
    assert np.array_equal(blob.read64(), VALUES)


@pytest.mark.parametrize(("encoding", "through"), [("<f4", True), ("<f8", False), ("<f2", False)])
def test_only_float32_passes_through(tmp_path: Path, encoding: str, through: bool) -> None:
    assert stored(tmp_path, Encoding(encoding)).passes_through is through


def test_count_and_nbytes_are_those_of_float32(tmp_path: Path) -> None:
    blob = stored(tmp_path, Encoding.FLOAT64)
    assert (blob.count, blob.nbytes) == (42, 168)


def test_chunks_are_bounded_and_in_order(tmp_path: Path) -> None:
    parts = list(stored(tmp_path, Encoding.FLOAT64).chunks(10))
    assert [part.size for part in parts] == [10, 10, 10, 10, 2]
    assert np.array_equal(np.concatenate(parts), VALUES)


def test_chunks_may_be_left_early_without_leaving_a_file_open(tmp_path: Path) -> None:
    parts = stored(tmp_path, Encoding.FLOAT32).chunks(10)
    next(parts)
    del parts


def test_several_spans_and_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(VALUES.tobytes())
    second.write_bytes(VALUES.tobytes())
    spans = (Span(first, 160, 8), Span(second, 4, 12), Span(first, 0, 4))
    blob = Blob((2, 3), False, Encoding.FLOAT32, spans)
    assert blob.read().tolist() == [5, 5.125, 0.125, 0.25, 0.375, 0]
    assert not blob.passes_through


def test_doubles_are_rounded_as_a_cast_in_c_rounds_them(tmp_path: Path) -> None:
    halfway = 1 + 2.0**-24
    doubles = np.array([1e300, -1e300, np.nan, halfway, halfway + 2.0**-23, 1e-46, 1e-40, 0.1])
    blob = Blob.of(doubles)
    assert blob.read64().tobytes() == doubles.tobytes()
    found = blob.read()
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(found[2])
    assert found[3:].tolist() == [1, 1 + 2.0**-22, 0, np.float32(1e-40), np.float32(0.1)]


def test_in_memory() -> None:
    blob = Blob.of(VALUES.reshape(2, 3, 7).transpose(2, 0, 1))
    assert (blob.shape, blob.spans, blob.passes_through) == ((7, 2, 3), (), False)
    assert np.array_equal(blob.read(), VALUES.reshape(2, 3, 7).transpose(2, 0, 1).ravel())
    assert [part.size for part in blob.chunks(40)] == [40, 2]
    assert blob.array is not None
    with pytest.raises(ValueError, match="read-only"):
        blob.array[0] = 1


def test_what_is_read_belongs_to_the_reader() -> None:
    blob = Blob.of(VALUES)
    blob.read()[:] = 0
    assert np.array_equal(blob.read(), VALUES)


def test_with_shape(tmp_path: Path) -> None:
    blob = Blob((1, 1, 6, 7), True, Encoding.FLOAT32, stored(tmp_path, Encoding.FLOAT32).spans)
    assert blob.with_shape((6, 7)) == Blob((6, 7), False, Encoding.FLOAT32, blob.spans)
    with pytest.raises(InvalidNetError, match="a blob of 1×1×6×7 numbers cannot take the shape 6×9"):
        blob.with_shape((6, 9))


def test_equal_is_the_same_place(tmp_path: Path) -> None:
    blob, same = stored(tmp_path, Encoding.FLOAT32), stored(tmp_path, Encoding.FLOAT32)
    assert blob == same
    assert len({blob, same, blob.with_shape((42,))}) == 2
    assert Blob.of(VALUES) != Blob.of(VALUES)
    assert blob != "blob"


def test_count_of_a_span_with_stride() -> None:
    assert Span(Path("f"), 0, 4, 5).count(Encoding.FLOAT32) == 1
    assert Span(Path("f"), 0, 14, 5).count(Encoding.FLOAT32) == 3
    assert Span(Path("f"), 0, 12).count(Encoding.FLOAT32) == 3


def test_a_missing_file() -> None:
    blob = Blob((1,), False, Encoding.FLOAT32, (Span(Path("no/such/file"), 0, 4),))
    with pytest.raises(UnreadableError, match="cannot be opened"):
        blob.read()


def test_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(b"abcdef")
    with path.open("rb", buffering=0) as file:
        assert read_exactly(file, 2, 3) == b"cde"
        with pytest.raises(UnreadableError, match="ends at byte 6, while 2 more were expected"):
            read_exactly(file, 4, 4)


def test_shape_text() -> None:
    assert shape_text((2, 3, 7, 9)) == "2×3×7×9"
    assert shape_text(()) == "()"


def test_a_blob_with_too_few_places_is_not_filled_with_whatever_was_in_memory() -> None:
    with pytest.raises(ValueError, match="a blob of 3 numbers has places for 0"):
        Blob((3,), False, Encoding.FLOAT32, ()).read()
