"""Mending: only what is named changes, and what is mended is not found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.lint.check import lint
from caffe_bn_convert.lint.context import Request
from caffe_bn_convert.lint.finding import Edit
from caffe_bn_convert.lint.fix import apply, difference, mend, rewrite
from caffe_bn_convert.lint.rules import RULES
from caffe_bn_convert.lint.selection import Selection
from tests.nets import input_layer, write_net
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

HEAD = input_layer(2, 3, 7, 9)


def mended(text: str, request: Request | None = None) -> str:
    return mend(parse_net(text), request or Request(), Selection())[0]


def test_nothing_to_mend() -> None:
    assert mended(HEAD) == HEAD


def test_use_global_stats() -> None:
    text = HEAD + (
        'layer{name:"bn" # a word\n\ttype:"BatchNorm" bottom:"data",top:"bn";\r\n'
        "batch_norm_param < use_global_stats :  false # why\n eps:1e-5>}\n"
    )
    assert mended(text) == text.replace("false", "true")


@pytest.mark.parametrize("word", ["false", "False", "f", "0"])
def test_every_spelling_of_false(word: str) -> None:
    text = HEAD + (
        f'layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param {{ use_global_stats: {word} }} }}'
    )
    assert "use_global_stats: true }" in mended(text)


def test_a_training_net_keeps_its_batch_statistics() -> None:
    text = (FIXTURES / "lint" / "TRAIN001" / "bad.prototxt").read_text() + (
        'layer { name: "bn" type: "BatchNorm" bottom: "fc" top: "bn" batch_norm_param { use_global_stats: false } }\n'
    )
    assert mended(text) == text


def test_rates() -> None:
    params = "param { lr_mult: 1.5 decay_mult: 1 } param: # a word\n {\n} param { lr_mult: 0 }"
    text = f'{HEAD}layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" {params} }}\n'
    good = "param { lr_mult: 0 decay_mult: 1 } param: # a word\n { lr_mult: 0\n} param { lr_mult: 0 }"
    assert mended(text) == text.replace(params, good)


def test_two_rates_that_caffe_refuses() -> None:
    text = (
        f'{HEAD}layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" param {{ lr_mult: 1 }} param {{ }} }}\n'
    )
    new, report, count = mend(parse_net(text), Request(), Selection())
    assert "param { lr_mult: 0 } param { lr_mult: 0 }" in new
    assert not report.failed
    assert count == 1


RELU = '# a net\nname: "net"\nlayer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n'
INPUT = 'layer {\n  name: "data"\n  type: "Input"\n  top: "data"\n  input_param { shape { %s } }\n}\n'
DIMS = "dim: 2 dim: 3 dim: 7 dim: 9"
GIVEN = Request(inputs={"data": (2, 3, 7, 9)})


def test_an_input_whose_shape_is_given() -> None:
    assert mended(RELU, GIVEN) == RELU.replace("layer {", INPUT % DIMS + "layer {", 1)


def test_an_input_whose_shape_nobody_tells() -> None:
    assert mended(RELU) == RELU


def test_line_ends_are_kept() -> None:
    text = RELU.replace("\n", "\r\n")
    assert mended(text, GIVEN) == mended(RELU, GIVEN).replace("\n", "\r\n")


def test_an_input_that_has_a_name_but_no_shape() -> None:
    text = 'input: "data"\n' + RELU
    assert mended(text, GIVEN) == f'input: "data"\ninput_shape {{ {DIMS} }}\n{RELU}'


def test_an_input_of_the_old_form() -> None:
    text = 'layers { name: "relu" type: RELU bottom: "data" top: "relu" }\n'
    assert mended(text, GIVEN) == f'input: "data"\ninput_shape {{ {DIMS} }}\n{text}'


def test_an_input_of_a_data_layer_for_training() -> None:
    data = (
        'layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }\n'
        "  transform_param { crop_size: 9 } data_param { batch_size: 4 } }\n"
    )
    text = mended(data + RELU)
    assert text.endswith(data + RELU)
    assert "dim: 1 dim: 3 dim: 9 dim: 9" in text
    assert "include { phase: TEST }" in text, "in phase TRAIN the data layer goes on making it"
    assert not lint(parse_net(text), Request(phase="TRAIN")).failed


def test_a_label_is_not_made_up() -> None:
    data = (
        'layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }\n'
        "  transform_param { crop_size: 9 } data_param { batch_size: 4 } }\n"
    )
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "relu" bottom: "label" top: "loss" }\n'
    assert 'top: "label"\n' not in mended(data + RELU + loss)


def test_an_input_by_the_width_of_a_matrix(tmp_path: Path) -> None:
    text = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }\n'
    path = write_net(tmp_path, "", {"fc": [np.ones((5, 7)), np.ones(5)]})[1]
    assert path is not None
    assert "dim: 1 dim: 7 }" in mended(text, Request((caffemodel.read(path),)))


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.fixable])
def test_fixable_rules_are_mended(code: str) -> None:
    net = read_net(FIXTURES / "lint" / code / "bad.prototxt")
    assert net.text is not None
    text, report, count = mend(net, GIVEN, Selection([code]))
    assert count
    assert not report.findings
    assert text != net.text.source.text


def test_only_selected_rules_are_mended() -> None:
    net = read_net(FIXTURES / "lint" / "BN004" / "bad.prototxt")
    assert mend(net, Request(), Selection(["NET"]))[2] == 0


def test_overlapping_edits() -> None:
    assert apply("abcdef", [Edit(1, 3, "X"), Edit(2, 4, "Y"), Edit(1, 3, "X"), Edit(5, 5, "Z")]) == "aXdeZf"


def test_difference() -> None:
    assert difference("a\nb\n", "a\nc", "net.prototxt").endswith(" a\n-b\n+c\n")


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    net = (
        HEAD
        + 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { use_global_stats: false } }'
    )
    old = b"\xef\xbb\xbf# \xb5 \xff\r\n" + net.encode()
    path.write_bytes(old)
    rewrite(path, mend(read_net(path), Request(), Selection())[0])
    assert path.read_bytes() == old.replace(b"false", b"true")
    assert list(tmp_path.iterdir()) == [path]
