from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.deploy import deploy_net
from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.inspect import recover
from tests.paths import FIXTURES, SHARED, needs_shared

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = FIXTURES / "digits"


def write(folder: Path, *layers: Any, extra: bytes = b"", form: str = "layer") -> Path:
    net: Any = schema.message("NetParameter")(name="n")
    getattr(net, form).extend(layers)
    path = folder / "weights.caffemodel"
    if extra:  # more bytes for the last layer
        last = getattr(net, form)[-1].SerializeToString() + extra
        del getattr(net, form)[-1]
        number = 100 if form == "layer" else 2
        key = number << 3 | 2
        head = bytes([key & 127 | 128, key >> 7]) if key > 127 else bytes([key])
        path.write_bytes(net.SerializeToString() + head + bytes([len(last)]) + last)
    else:
        path.write_bytes(net.SerializeToString())
    return path


def layer(name: str, type_: str, **rest: Any) -> Any:
    made: Any = schema.message("LayerParameter")(name=name, type=type_, **rest)
    made.blobs.add(data=[1.0, 2.0]).shape.dim.append(2)
    return made


def bytes_field(number: int, contents: bytes) -> bytes:
    key = number << 3 | 2
    return bytes([key & 127 | 128, key >> 7, len(contents)]) + contents


def test_the_digits_net_recovers_and_deploys_to_the_hand_written_one() -> None:
    recovered = recover(DIGITS / "digits.caffemodel")
    assert recovered.lost == ()
    deployed = deploy_net(parse_net(recovered.text), shapes={"data": (1, 1, 8, 8)})
    by_hand = [each.parameter for each in read_net(DIGITS / "deploy.prototxt").layers]
    for parameter in by_hand:
        del parameter.param[:]
    assert [each.parameter for each in parse_net(deployed.text).layers] == by_hand


def test_numbers_are_left_out(tmp_path: Path) -> None:
    recovered = recover(write(tmp_path, layer("a", "ReLU")))
    assert "blobs" not in recovered.text
    assert (recovered.layers, recovered.whole) == (1, 1)


def test_splits_are_undone(tmp_path: Path) -> None:
    split = layer("b_0_split", "Split", bottom=["b"], top=["b_0_split_0", "b_0_split_1"])
    reader = layer("r", "ReLU", bottom=["b_0_split_1"], top=["r"])
    own = layer("mine", "Split", bottom=["r"], top=["x", "y"])
    text = recover(write(tmp_path, split, reader, own)).text
    assert [(each.name, list(each.parameter.bottom)) for each in parse_net(text).layers] == [
        ("r", ["b"]),
        ("mine", ["r"]),
    ]


def test_a_fork_may_mean_something_else_by_an_id(tmp_path: Path) -> None:
    recovered = recover(write(tmp_path, layer("i", "Interp"), extra=bytes_field(143, b"\x08\x05")))
    assert "input_param" not in recovered.text
    assert recovered.lost == ("i: field 143 is input_param in BVLC's Caffe, but the type is Interp",)
    assert recovered.whole == 0


@pytest.mark.parametrize(
    ("extra", "lost"),
    [
        (bytes_field(202, b"\x08\x05"), "field 202 is of a fork"),
        (bytes_field(121, b"\x6a\x01x"), "field 13 of pooling_param is of a fork"),
        (bytes_field(121, b"\x08"), "pooling_param (field 121) is not in BVLC's form"),
        (bytes_field(121, bytes([0x80, 0xF1, 0x04, 0x01])), "field 10000 of pooling_param is of a fork"),
    ],
)
def test_what_is_lost_is_said(extra: bytes, lost: str, tmp_path: Path) -> None:
    recovered = recover(write(tmp_path, layer("p", "Pooling"), extra=extra))
    assert recovered.lost == (f"p: {lost}",)
    parse_net(recovered.text)


def test_v1_and_v0(tmp_path: Path) -> None:
    v1: Any = schema.message("V1LayerParameter")(name="a", bottom=["x"], top=["x"])
    v1.type = 18  # RELU
    v0: Any = schema.message("V1LayerParameter")(top=["y"])
    v0.layer.name, v0.layer.type, v0.layer.num_output = "b", "innerproduct", 3
    assert [each.type for each in parse_net(recover(write(tmp_path, v1, form="layers")).text).layers] == ["ReLU"]
    assert [each.type for each in parse_net(recover(write(tmp_path, v0, form="layers")).text).layers] == [
        "InnerProduct"
    ]


def test_hdf5() -> None:
    with pytest.raises(UnsupportedError, match="names and numbers"):
        recover(DIGITS / "digits.caffemodel.h5")


@needs_shared
@pytest.mark.parametrize("path", sorted((SHARED / "models").glob("*/*.caffemodel")), ids=lambda path: path.parent.name)
def test_real_models_recover_to_text_that_parses(path: Path) -> None:
    recovered = recover(path)
    assert len(parse_net(recovered.text).layers) == recovered.layers > 0
