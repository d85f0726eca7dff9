"""What the errors of the parser say, to the letter."""

from __future__ import annotations

import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import ParseError

CASES = {
    "misspelt enum": (
        "layers { blob_share_mode: strict }",
        'net.prototxt:1:27: "blob_share_mode" takes one of STRICT, PERMISSIVE, not strict',
        "    layers { blob_share_mode: strict }",
        "                              ^",
        '  did you mean "STRICT"?',
    ),
    "enum in quotes": (
        'layers {\n  blob_share_mode: "STRICT"\n}',
        'net.prototxt:2:20: "blob_share_mode" takes one of STRICT, PERMISSIVE, not "STRICT"',
        '      blob_share_mode: "STRICT"',
        "                       ^",
        "  write it without quotes",
    ),
    "tabs": (
        'layer {\n\tname: "a"\n\ttype: ReLU\n}',
        'net.prototxt:3:8: "type" takes a string, not ReLU',
        "    \ttype: ReLU",
        "    \t      ^",
        '  write it with quotes: "ReLU"',
    ),
    "wide characters": (
        'name: "日本" name: "b"',
        'net.prototxt:1:12: "name" of NetParameter is given twice',
        '    name: "日本" name: "b"',
        "                 ^",
        "  keep one of them",
    ),
    "range": (
        "layer { convolution_param { kernel_size: -1 } }",
        'net.prototxt:1:42: "kernel_size" takes a whole number from 0 to 4294967295, not -1',
        "    layer { convolution_param { kernel_size: -1 } }",
        "                                             ^",
    ),
    "fraction": (
        "input_dim: 1.0",
        'net.prototxt:1:12: "input_dim" takes a whole number from -2147483648 to 2147483647, not 1.0',
        "    input_dim: 1.0",
        "               ^",
    ),
    "bool": (
        "force_backward: 2",
        'net.prototxt:1:17: "force_backward" takes true or false, not 2',
        "    force_backward: 2",
        "                    ^",
    ),
    "unclosed": (
        'layer {\n  convolution_param {\n    pad: 1\n}\nlayer { name: "b" }\n',
        'net.prototxt:1:7: this "{" is never closed',
        "    layer {",
        "          ^",
        "  line 5 already begins the next layer",
    ),
    "wrong brace": (
        "layer {\n  relu_param <\n  }\n}",
        'net.prototxt:3:3: expected ">" for the "<" of line 2, found "}"',
        "      }",
        "      ^",
    ),
    "brace too many": ("layer { }\n}", 'net.prototxt:2:1: this "}" closes nothing', "    }", "    ^"),
    "no colon": (
        'layer { name "a" }',
        'net.prototxt:1:14: expected ":" or "{" after "name", found "a"',
        '    layer { name "a" }',
        "                 ^",
    ),
    "no value": (
        "layer { name: }",
        'net.prototxt:1:15: expected a value, found "}"',
        "    layer { name: }",
        "                  ^",
    ),
    "end": ("name:", "net.prototxt:1:6: expected a value, found the end of the file", "    name:", "         ^"),
    "block for a value": (
        "name { }",
        'net.prototxt:1:1: "name" takes a value, not a block',
        "    name { }",
        "    ^",
    ),
    "value for a block": (
        "layer: 1",
        'net.prototxt:1:8: "layer" takes a block: layer { ... }',
        "    layer: 1",
        "           ^",
    ),
    "required": (
        "layer {\n  clip_param { min: 1 }\n}",
        'net.prototxt:2:3: ClipParameter needs "max"',
        "      clip_param { min: 1 }",
        "      ^",
    ),
    "list for a value": (
        'name: ["a"]',
        'net.prototxt:1:8: "name" of NetParameter takes one value, not a list',
        '    name: ["a"]',
        "           ^",
    ),
    "empty list for a value": (
        "name: []",
        'net.prototxt:1:1: "name" of NetParameter takes one value, not a list',
        "    name: []",
        "    ^",
    ),
    "typographic quotes": (
        "name: “a”",
        'net.prototxt:1:7: expected a value, found "“"',
        "    name: “a”",
        "          ^",
        "  these are typographic quotes; write \" or '",
    ),
    "no-break space": (
        "name:\u00a0'a'",
        "net.prototxt:1:6: expected a value, found the character U+00A0 (no-break space)",
        "    name:\ufffd'a'",
        "         ^",
        "  this looks like a blank but is not one; replace it by a blank",
    ),
    "open string": (
        'name: "a\nlayer { }',
        "net.prototxt:1:7: this string is not closed on its line",
        '    name: "a',
        "          ^",
    ),
    "escape": (
        r'name: "C:\models"',
        r"net.prototxt:1:10: a string has no escape \m",
        r'    name: "C:\models"',
        "             ^",
    ),
    "octal": (
        "a: 09",
        "net.prototxt:1:4: 09 is not a number",
        "    a: 09",
        "       ^",
        "  a number that begins with 0 is octal",
    ),
    "no blank": (
        "input_dim: 1input_dim: 2",
        "net.prototxt:1:12: 1input_dim is not a number",
        "    input_dim: 1input_dim: 2",
        "               ^",
        "  a number and the next name need a blank between them",
    ),
    "quoted name": (
        '{ "name": 1 }',
        'net.prototxt:1:1: expected a field name, found "{"',
        '    { "name": 1 }',
        "    ^",
    ),
    "json": (
        'layer { "name": "a" }',
        "net.prototxt:1:9: expected a field name, found a string",
        '    layer { "name": "a" }',
        "            ^",
        "  names of fields stand without quotes",
    ),
    "list": (
        "input_dim: [1 2]",
        'net.prototxt:1:15: expected "," or "]" in the list of "input_dim", found "2"',
        "    input_dim: [1 2]",
        "                  ^",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case: str) -> None:
    text, *expected = CASES[case]
    with pytest.raises(ParseError) as caught:
        parse_net(text, "net.prototxt")
    assert str(caught.value) == "\n".join(expected)


def test_long_lines_are_cut_around_the_place() -> None:
    with pytest.raises(ParseError) as caught:
        parse_net("x: 1 " * 100 + "name: 7 " + "x: 1 " * 100, "net.prototxt")
    line, caret = (caught.value.problems[0].excerpt or "").split("\n")
    assert len(line) < 130
    assert line[len(caret) - 1] == "7"
    assert line[4] == line[-1] == "…"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a: +1",
            "a: 1_0",
            "a: 0x",
            "a: 1e",
            "a: 1.2.3",
            "a: 0x1.8",
            "a: --1",
            "a: - -1",
            "a: -x",
            "a: " + "9" * 5000,
        ),
        *("1: 2", "a:: 1", "a: 1,,", "a", "[a: 1", "[]: 1", "a [1]", "a: [1,]", "a: [[1]]", "a: {", "a: [", "[a", "\0"),
        *(r'a: "\ud800"', r'a: "\U00110000"', "a: 'x\\\n'"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_net(text)
