from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf.internal import api_implementation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caffe_bn_convert.caffe import wire as wire_module
from caffe_bn_convert.caffe.caffemodel import Encoding, read
from caffe_bn_convert.caffe.schema import message
from caffe_bn_convert.errors import ConversionError, ResourceLimitError, UnreadableError, UnsupportedError

from .wirewriter import (
    DIGITS,
    SHARED,
    blob,
    doubles,
    floats,
    layer,
    nested,
    net,
    number,
    shape,
    unpacked,
    unpacked_doubles,
    varint,
)

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.source import Caffemodel, SourceLayer

WEIGHTS = sorted(SHARED.rglob("*.caffemodel")) if SHARED.is_dir() else []
RAW = {0: "<f8", 1: "<f4", 2: "<f2"}
ANY_TMP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    return path


def the_layer(tmp_path: Path, *contents: bytes) -> SourceLayer:
    (only,) = read(written(tmp_path, net(layer("conv", "Convolution", *contents)))).layers
    return only


def the_blob(tmp_path: Path, *contents: bytes) -> Blob:
    (only,) = the_layer(tmp_path, blob(*contents)).blobs
    assert only is not None
    return only


def refused(tmp_path: Path, *contents: bytes) -> str:
    with pytest.raises(ConversionError) as caught:
        the_blob(tmp_path, *contents)
    return str(caught.value)


# --- against protobuf's own parse ---------------------------------------------------------------------------------


def parsed_layers(parameter: Any) -> list[Any]:
    v1 = [inner.layer if inner.HasField("layer") else inner for inner in parameter.layers]
    return v1 + list(parameter.layer)


def parsed_numbers(proto: Any) -> np.ndarray[Any, Any]:
    if proto.HasField("raw_data"):
        return np.frombuffer(proto.raw_data, RAW[proto.raw_data_type])
    if len(proto.double_data):
        return np.array(proto.double_data, np.float64)
    return np.array(proto.data, np.float32)


def parsed_shape(proto: Any) -> tuple[int, ...]:
    if any(proto.HasField(name) for name in ("num", "channels", "height", "width")):
        return (proto.num, proto.channels, proto.height, proto.width)
    return tuple(proto.shape.dim)


def assert_same(model: Caffemodel, parameter: Any) -> None:
    layers = parsed_layers(parameter)
    assert [layer.name for layer in model.layers] == [layer.name for layer in layers]
    for ours, theirs in zip(model.layers, layers, strict=True):
        assert len(ours.blobs) == len(theirs.blobs)
        for mine, proto in zip(ours.blobs, theirs.blobs, strict=True):
            assert mine is not None
            numbers = parsed_numbers(proto)
            assert mine.shape == parsed_shape(proto)
            with np.errstate(all="ignore"):
                assert bits(mine.read()) == bits(numbers.astype(np.float32))
                assert bits(mine.read64()) == bits(numbers.astype(np.float64))


def bits(numbers: np.ndarray[Any, Any]) -> bytes:
    """All of them; protobuf in pure Python knows only one NaN."""
    if api_implementation.Type() == "python":
        numbers = np.where(np.isnan(numbers), np.nan, numbers).astype(numbers.dtype)
    return numbers.tobytes()


def parse(data: bytes) -> Any:
    parameter: Any = message("NetParameter")()
    parameter.ParseFromString(data)
    return parameter


@pytest.mark.skipif(not WEIGHTS, reason="the reference nets in ../shared are not here")
def test_every_blob_of_every_reference_net_is_what_protobuf_parses() -> None:
    for path in WEIGHTS:
        assert_same(read(path), parse(path.read_bytes()))


def test_fixture_is_what_protobuf_parses() -> None:
    path = DIGITS / "digits.caffemodel"
    model = read(path)
    assert_same(model, parse(path.read_bytes()))
    assert {layer.type for layer in model.layers} >= {"Convolution", "BatchNorm", "Scale", "InnerProduct"}
    assert all(blob is not None and blob.passes_through for layer in model.layers for blob in layer.blobs)


finite = st.floats(width=32, allow_nan=False)
dims = st.lists(st.integers(0, 4), max_size=4)


@st.composite
def blob_bytes(draw: st.DrawFn) -> bytes:
    """A BlobProto in one of the forms that protobuf reads: packed, in chunks, unpacked; float or double."""
    sizes = draw(dims)
    count = int(np.prod(sizes, dtype=np.int64))
    double = draw(st.booleans())
    values = draw(st.lists(st.floats() if double else finite, min_size=count, max_size=count))
    parts = [shape_bytes(draw, sizes)]
    while values:
        size = draw(st.integers(1, len(values)))
        chunk, values = values[:size], values[size:]
        packed = draw(st.booleans())
        if double:
            parts.append(nested(8, doubles(*chunk)) if packed else unpacked_doubles(8, *chunk))
        else:
            parts.append(nested(5, floats(*chunk)) if packed else unpacked(5, *chunk))
        parts.append(draw(st.sampled_from([b"", nested(6, floats(1.5)), number(77, 3), nested(9, doubles(2.5))])))
    if draw(st.booleans()):
        parts.append(parts.pop(0))
    return b"".join(parts)


def shape_bytes(draw: st.DrawFn, sizes: list[int]) -> bytes:
    if len(sizes) == 4 and draw(st.booleans()):
        return b"".join(number(index + 1, size) for index, size in enumerate(sizes))
    if draw(st.booleans()):
        return nested(7, *(number(1, size) for size in sizes))
    return shape(*sizes)


@st.composite
def net_bytes(draw: st.DrawFn) -> bytes:
    form = draw(st.sampled_from(["v0", "v1", "v2"]))
    layers = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.text(max_size=8)).encode()
        blobs = draw(st.lists(blob_bytes(), max_size=3))
        if form == "v2":
            parts = [nested(1, name), nested(2, b"Convolution"), *(nested(7, data) for data in blobs)]
            layers.append(nested(100, *draw(st.permutations(parts))))
        elif form == "v1":
            layers.append(nested(2, nested(4, name), number(5, 4), *(nested(6, data) for data in blobs)))
        else:
            layers.append(nested(2, nested(1, nested(1, name), *(nested(50, data) for data in blobs))))
    return net(*layers)


@given(data=net_bytes(), window=st.sampled_from([21, 64, 1 << 14]))
@settings(parent=ANY_TMP, max_examples=200)
def test_any_legal_form_is_what_protobuf_parses(tmp_path: Path, data: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire_module, "_WINDOW", window)
        patch.setattr(wire_module, "_RUN_WINDOW", 7 * window)
        assert_same(read(written(tmp_path, data)), parse(data))


# --- forms ----------------------------------------------------------------------------------------------------------


def test_layers_keep_their_order_names_and_types(tmp_path: Path) -> None:
    data = net(layer("b", "ReLU"), layer("a", "Pooling"), layer("b", "Scale"))
    found = [(layer.name, layer.type) for layer in read(written(tmp_path, data)).layers]
    assert found == [("b", "ReLU"), ("a", "Pooling"), ("b", "Scale")]


def test_param_names(tmp_path: Path) -> None:
    found = the_layer(tmp_path, nested(6, nested(1, b"shared"), number(3, 1)), nested(6), nested(6, nested(1, b"w")))
    assert found.param_names == ("shared", "", "w")


def test_v1_layer(tmp_path: Path) -> None:
    contents = nested(4, b"ip") + number(5, 14) + nested(1001, b"w") + nested(6, shape(2), nested(5, floats(1, 2)))
    (only,) = read(written(tmp_path, net(nested(2, contents)))).layers
    assert (only.name, only.type, only.param_names, len(only.blobs)) == ("ip", "InnerProduct", ("w",), 1)


def test_v0_layer(tmp_path: Path) -> None:
    inner = nested(1, b"conv1") + nested(2, b"conv") + nested(50, shape(2), nested(5, floats(1, 2)))
    (only,) = read(written(tmp_path, net(nested(2, nested(2, b"data"), nested(1, inner))))).layers
    assert (only.name, only.type, len(only.blobs)) == ("conv1", "conv", 1)


def test_layer_and_layers_together_are_refused_because_caffe_forgets_one_kind(tmp_path: Path) -> None:
    path = written(tmp_path, net(layer("a", "ReLU"), nested(2, nested(4, b"b"))))
    with pytest.raises(UnreadableError, match="1 layers as 'layer' and 1 as 'layers'"):
        read(path)


def test_what_a_fork_puts_under_other_numbers_is_not_parsed(tmp_path: Path) -> None:
    found = the_layer(tmp_path, nested(143, b"\xff\xff\xff"), nested(8266713, b"\x07"), nested(10, b"\x0b"))
    assert found.name == "conv"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (only,) = read(written(tmp_path, net(nested(100, nested(1, b"\xbe\xed1"))))).layers
    assert only.name == "\\xbe\\xed1"


def test_legacy_shape_goes_before_shape(tmp_path: Path) -> None:
    found = the_blob(tmp_path, shape(6), number(3, 2), number(4, 3), number(1, 1), number(2, 1), nested(5, bytes(24)))
    assert (found.shape, found.legacy) == ((1, 1, 2, 3), True)


def test_one_legacy_dim_makes_the_others_zero(tmp_path: Path) -> None:
    found = the_blob(tmp_path, number(1, 0))
    assert (found.shape, found.legacy, found.count) == ((0, 0, 0, 0), True, 0)


def test_a_number_without_dims(tmp_path: Path) -> None:
    found = the_blob(tmp_path, nested(7), nested(5, floats(2.5)))
    assert (found.shape, found.read().tolist()) == ((), [2.5])


def test_double_data_goes_before_data(tmp_path: Path) -> None:
    found = the_blob(tmp_path, shape(2), nested(5, floats(1, 2)), nested(8, doubles(0.1, 1e300)))
    assert found.encoding is Encoding.FLOAT64
    assert found.read64().tolist() == [0.1, 1e300]
    assert found.read().tolist() == [np.float32(0.1), np.inf]


@pytest.mark.parametrize(("kind", "code"), [(0, "d"), (1, "f"), (2, "e")])
def test_raw_data_of_nvcaffe_goes_before_all(tmp_path: Path, kind: int, code: str) -> None:
    raw = struct.pack(f"<3{code}", 0.5, -2, 65504)
    found = the_blob(
        tmp_path, shape(3), nested(5, floats(1, 2, 3)), number(10, kind), nested(12, raw), nested(13, b"x")
    )
    assert found.read().tolist() == [0.5, -2, 65504]


@pytest.mark.parametrize("kind", [3, 4, 9])
def test_integers_are_quantised(tmp_path: Path, kind: int) -> None:
    path = written(tmp_path, net(layer("conv", "Convolution", blob(shape(2), number(10, kind), nested(12, bytes(8))))))
    with pytest.raises(UnsupportedError, match="quantised") as caught:
        read(path)
    assert 'layer "conv" (Convolution): blob 0: its numbers are quantised' in str(caught.value)


def test_raw_data_without_a_type_is_not_ours(tmp_path: Path) -> None:
    assert "is 2 numbers, but the file holds 0" in refused(tmp_path, shape(2), nested(12, floats(1, 2)))


def test_a_long_unpacked_blob_is_one_span(tmp_path: Path) -> None:
    values = np.arange(300_000, dtype=np.float32)
    records = np.zeros(values.size, [("tag", "u1"), ("value", "<f4")])
    records["tag"], records["value"] = 5 << 3 | 5, values
    found = the_blob(tmp_path, records.tobytes(), shape(values.size))
    assert [(span.stride, span.count(found.encoding)) for span in found.spans] == [(5, values.size)]
    assert not found.passes_through
    assert np.array_equal(found.read(), values)
    assert [part.size for part in found.chunks(200_000)] == [200_000, 100_000]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_count_must_be_the_shapes(tmp_path: Path) -> None:
    told = refused(tmp_path, shape(2, 3, 7), nested(5, floats(1, 2)))
    assert 'net.caffemodel: layer "conv" (Convolution): blob 0: its shape 2×3×7 is 42 numbers' in told
    assert "the file holds 2" in told


def test_the_name_is_told_even_if_it_comes_after_the_blobs(tmp_path: Path) -> None:
    path = written(tmp_path, nested(100, blob(shape(2)), nested(1, b"late")))
    with pytest.raises(UnreadableError, match='layer "late": blob 0'):
        read(path)


@pytest.mark.parametrize("dim", [-1, 1 << 31, 1 << 62])
def test_dims_that_caffe_cannot_have(tmp_path: Path, dim: int) -> None:
    assert f"a dim of its shape is {dim}" in refused(tmp_path, shape(0, dim))


def test_a_negative_legacy_dim(tmp_path: Path) -> None:
    assert "a dim of its shape is -3" in refused(tmp_path, number(1, -3))


def test_too_many_dims(tmp_path: Path) -> None:
    assert "more than 32 dims" in refused(tmp_path, shape(*[1] * 33))
    assert "more than 32 dims" in refused(tmp_path, nested(7, *[number(1, 1)] * 33))


def test_bytes_that_are_no_whole_numbers(tmp_path: Path) -> None:
    assert "7 bytes" in refused(tmp_path, shape(1), nested(5, bytes(7)))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xa2\x06\xff\xff\xff\xff\x0f", "would end at byte"),
        (nested(100, b"\x0a\x05conv"), "a field would end at byte 10, but what it belongs to ends at byte 9"),
        (b"\xa2\x06\x05", "would end at byte 8"),
        (b"\xa2\x06", "would end at byte"),
        (b"\xa2\x06" + b"\xff" * 11, "more than ten bytes"),
        (nested(100, b"\x0b"), "damaged at byte 3: a field has the wire type 3"),
        (nested(100, b"\x0e\0"), "wire type 6"),
        (nested(100, b"\x02\0"), "cannot have the number 0"),
        (nested(100, b"\xfa\xff\xff\xff\xff\x7f\0"), "cannot have the number"),
        (nested(100, nested(7, b"\x2d\0\0")), "would end at byte"),
        (nested(100, nested(1, bytes(70000))), "a name cannot be 70000 bytes long"),
    ],
)
def test_damage_is_told_with_its_place(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(written(tmp_path, data))
    assert told in str(caught.value)
    assert "net.caffemodel" in str(caught.value)


def test_a_length_is_not_believed(tmp_path: Path) -> None:
    for length in (1 << 31, 1 << 40, (1 << 64) - 1):
        path = written(tmp_path, b"\xa2\x06" + varint(length) + bytes(100))
        with pytest.raises(UnreadableError, match="would end at byte"):
            read(path)


def test_an_absurd_number_of_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caffe_bn_convert.caffe.caffemodel._MAX_ITEMS", 10)
    with pytest.raises(ResourceLimitError, match="more than 10 layers"):
        read(written(tmp_path, nested(100) * 11))


def test_an_absurd_number_of_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caffe_bn_convert.caffe.blobproto._MAX_SPANS", 10)
    assert "more than 10 pieces" in refused(tmp_path, shape(11), nested(5, floats(1)) * 11)


SMALL = net(
    layer("conv", "Convolution", nested(6, nested(1, b"w")), blob(shape(2, 1), nested(5, floats(1, -2)))),
    layer("ip", "InnerProduct", blob(number(1, 1), number(2, 1), number(3, 1), number(4, 2), unpacked(5, 3, 4))),
    layer("d", "Scale", blob(shape(), nested(8, doubles(0.1))), blob(shape(1), number(10, 2), nested(12, b"ab"))),
)


def read_all(path: Path) -> None:
    for source in read(path).layers:
        for each in source.blobs:
            assert each is not None
            each.read()


def test_cut_off_at_any_byte(tmp_path: Path) -> None:
    read_all(written(tmp_path, SMALL))
    whole = 0
    for length in range(len(SMALL)):
        try:
            read_all(written(tmp_path, SMALL[:length]))
            whole += 1
        except ConversionError:
            pass
    assert whole == 3  # after the name and after each layer but the last it is a smaller, legal net


@given(flips=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(parent=ANY_TMP, max_examples=500)
def test_any_damage_is_told_as_ours(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for position, value in flips:
        data[position] = value
    try:
        read_all(written(tmp_path, bytes(data)))
    except ConversionError as error:
        assert "net.caffemodel" in str(error)


@given(data=st.binary(min_size=1, max_size=60))
@settings(parent=ANY_TMP, max_examples=300)
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        read_all(written(tmp_path, data))
    except ConversionError as error:
        assert "net.caffemodel" in str(error)


# --- size, time, change ---------------------------------------------------------------------------------------------


def test_a_file_beyond_two_gibibytes(tmp_path: Path) -> None:
    count = 3 << 28
    path = tmp_path / "big.caffemodel"
    tail = shape(count)
    head = varint(5 << 3 | 2) + varint(4 * count)
    blob_size = len(head) + 4 * count + len(tail)
    inside = varint(7 << 3 | 2) + varint(blob_size)
    start = varint(100 << 3 | 2) + varint(len(inside) + blob_size) + inside + head
    with path.open("wb") as file:
        file.write(start)
        file.seek(len(start) + 4 * (count - 1))
        file.write(floats(7.5) + tail + layer("last", "Scale", blob(shape(1), nested(5, floats(2.5)))))
        file.flush()
        if os.fstat(file.fileno()).st_blocks * 512 > 1 << 26:
            pytest.skip("this file system has no sparse files")
    big, last = read(path).layers
    assert big.blobs[0] is not None
    assert last.blobs[0] is not None
    assert (big.blobs[0].shape, big.blobs[0].passes_through) == ((count,), True)
    assert last.blobs[0].spans[0].offset > 1 << 31
    assert last.blobs[0].read().tolist() == [2.5]


def test_ten_thousand_layers(tmp_path: Path) -> None:
    data = blob(nested(5, bytes(168)), shape(2, 3, 7))
    path = written(tmp_path, net(*(layer(f"layer_{i}", "Convolution", data, data) for i in range(10_000))))
    assert len(read(path).layers) == 10_000


def test_size_and_time_are_recorded_and_compared(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    model = read(path)
    assert (model.path, model.size, model.mtime_ns) == (path, len(SMALL), path.stat().st_mtime_ns)
    model.check_unchanged()
    path.write_bytes(SMALL + b"\0")
    with pytest.raises(UnreadableError, match="has changed since it was read"):
        model.check_unchanged()
    path.unlink()
    with pytest.raises(UnreadableError, match="no longer there"):
        model.check_unchanged()


def test_a_file_that_shrinks_is_told_when_its_numbers_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    model = read(path)
    os.truncate(path, 10)
    first = model.layers[0].blobs[0]
    assert first is not None
    with pytest.raises(UnreadableError, match="become shorter"):
        first.read()
