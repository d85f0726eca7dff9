"""The grammar, the tree and nets; how it compares with protobuf's own parser is in ``test_prototxt_protobuf``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.prototxt import MAX_BYTES, MAX_DEPTH, bind, parse, parse_net, read_net
from caffe_bn_convert.errors import ParseError, ResourceLimitError, WrongFileError
from tests.counting import assert_linear

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 12", 12),
        ("a: -12", -12),
        ("a: - 12", -12),
        ("a: - # why not\n 12", -12),
        ("a: 0x1F", 31),
        ("a: -0X1f", -31),
        ("a: 017", 15),
        ("a: 0", 0),
        ("a: .5", 0.5),
        ("a: 5.", 5.0),
        ("a: 1.5f", 1.5),
        ("a: 1f", 1.0),
        ("a: 0f", 0.0),
        ("a: 1e3", 1000.0),
        ("a: 1.25E-2F", 0.0125),
        ("a: -.5e+1", -5.0),
        ("a: inf", math.inf),
        ("a: -inf", -math.inf),
        ("a: - Infinity", -math.inf),
        ("a: true", True),
        ("a: False", False),
        ("a: MAX", "MAX"),
        ("a: t", "t"),
        ('a: "x"', "x"),
        ("a: 'x'", "x"),
        ("a: 'say \"x\"'", 'say "x"'),
        ("a: 'x' \"y\" # and\n 'z'", "xyz"),
        ("a: '# no comment'", "# no comment"),
        (r'a: "\a\b\f\n\r\t\v\\\?\'\""', "\a\b\f\n\r\t\v\\?'\""),
        (r'a: "\0\7\1018\x4a4\X4"', "\0\7A8J4\4"),
        (r'a: "\303\251\u00e9\U0001F600\ud83d\ude00"', "éé😀😀"),
        ("a: '日本'", "日本"),
        ('\ufeffa: "x"', "x"),
        ("a: 1; ", 1),
        ("a: 1,", 1),
        ("#c\r\na\t:\v1\f#d", 1),
        ("a: 1 a: 2", 2),
        ("a: [1, 2, 3]", 3),
        ("b: 1", None),
    ],
)
def test_last_value(text: str, value: object) -> None:
    got = parse(text).get("a")
    assert got == value
    assert type(got) is type(value)


def test_nan() -> None:
    assert math.isnan(float(parse("a: nan").get("a") or 0))


@pytest.mark.parametrize(
    "text", ["b { a: 1 }", "b: { a: 1 }", "b < a: 1 >", "b: < a: 1; >;", "b [ { a: 1 } ]", "b{a:1}"]
)
def test_block(text: str) -> None:
    block = parse(text).block("b")
    assert block is not None
    assert block.get("a") == 1


def test_lists_become_fields() -> None:
    tree = parse("a: [1, 2] b: [{ c: 3 }, < c: 4 >] a: 5 d: []")
    assert [field.name for field in tree.fields] == ["a", "a", "b", "b", "a"]
    assert len(tree.all("a")) == 3
    assert tree.empty == ("d",)
    block = tree.block("b")
    assert block is not None
    assert block.get("c") == 4


def test_positions() -> None:
    tree = parse('name: "n"\n\tlayer {\n  pad:   1\n}\n', "net.prototxt")
    layer = tree.block("layer")
    assert layer is not None
    assert (layer.line, layer.column) == (2, 2)
    pad = layer.fields[0]
    assert (pad.line, pad.column) == (3, 3)
    assert (pad.value.line, pad.value.column) == (3, 10)


def test_extension_names_are_kept() -> None:
    assert [field.name for field in parse("[foo.bar]: 1 [a.b/c.d] { x: 2 }").fields] == ["[foo.bar]", "[a.b/c.d]"]


def test_deep_nesting_is_a_limit_and_no_crash() -> None:
    assert parse("a {" * MAX_DEPTH + "}" * MAX_DEPTH).fields
    with pytest.raises(ResourceLimitError, match="more than 100 blocks"):
        parse("a {" * 100_000)
    with pytest.raises(ResourceLimitError):
        parse("a [{" * 100_000)


def test_bind_by_type() -> None:
    message = schema.message("PoolingParameter")()
    assert bind(parse("pool: 1 kernel_size: 0x3 global_pooling: t round_mode: FLOOR"), message) == ()
    assert (message.pool, message.kernel_size, message.global_pooling, message.round_mode) == (1, 3, True, 1)


def test_bind_leaves_empty_blocks_set() -> None:
    message = schema.message("LayerParameter")()
    bind(parse("relu_param { }"), message)
    assert message.HasField("relu_param")


def test_unknown_fields_are_kept_with_their_layer() -> None:
    net = parse_net(
        'colour: 1 layer { name: "c" convolution_param { kernel_sise: 3 mystery { x: 1 } } }', "net.prototxt"
    )
    assert [unknown.path for unknown in net.unknown] == ["colour"]
    misspelt, mystery = net.layers[0].unknown
    assert misspelt.path == "convolution_param.kernel_sise"
    assert str(misspelt.problem()) == (
        'net.prototxt:1:49: ConvolutionParameter has no field "kernel_sise"\n'
        '    colour: 1 layer { name: "c" convolution_param { kernel_sise: 3 mystery { x: 1 } } }\n'
        "                                                    ^\n"
        '  did you mean "kernel_size"?'
    )
    assert mystery.hint is None


def test_words_of_forks_for_types_and_engines_are_unknown_fields() -> None:
    net = parse_net("layers { type: NO_SUCH_TYPE relu_param { engine: NO_SUCH_ENGINE } }")
    assert [unknown.path for unknown in net.layers[0].unknown] == ["type", "relu_param.engine"]
    assert net.layers[0].type == "NO_SUCH_TYPE"


def test_layers_of_both_forms_keep_their_order() -> None:
    net = parse_net('layers { name: "a" type: RELU } layer { name: "b" type: "ReLU" } input: "x"')
    assert [(layer.name, layer.type) for layer in net.layers] == [("a", "RELU"), ("b", "ReLU")]
    assert list(net.parameter.input) == ["x"]
    assert str(net.layers[1].where()) == '1: layer "b" (ReLU)'


def test_read_net(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b'\xef\xbb\xbf# \xc4\xe3\xba\xc3, in GBK\r\nname: "n"\r\n')
    net = read_net(path)
    assert net.name == "n"
    assert net.file == str(path)


def test_read_net_names_the_line_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b'name: "a"\nlayer { name: "\xe9t\xe9" }\n')
    with pytest.raises(ParseError) as caught:
        read_net(path)
    assert str(caught.value) == (
        f'{path}:2:15: "name" takes text in UTF-8, not "\ufffdt\ufffd"\n'
        '    layer { name: "\ufffdt\ufffd" }\n'
        "                  ^\n"
        "  save the file as UTF-8"
    )


def test_read_net_refuses_utf16(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes('name: "a"\n'.encode("utf-16"))
    with pytest.raises((ParseError, WrongFileError)):
        read_net(path)


def test_read_net_refuses_huge_files(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ResourceLimitError, match="larger than"):
        read_net(path)


def test_work_is_linear_in_the_layers() -> None:
    layer = (
        'layer {\n  name: "conv%d"\n  type: "Convolution"\n  bottom: "c%d"\n  top: "d%d"\n'
        "  convolution_param {\n    num_output: 64\n    pad: 1\n    kernel_size: 3\n  }\n}\n"
    )

    def work(count: int) -> Callable[[], object]:
        text = "".join(layer % (index, index, index) for index in range(count))
        return lambda: parse_net(text)

    assert_linear(work)
