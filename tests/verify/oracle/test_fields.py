from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import Layer


def _fields(text, block):
    layer = parse_net(f'layer {{ name: "it" type: "It" {text} }}').layers[0]
    return fields(Layer(layer.parameter, layer.text, "TEST", np.dtype(np.float64), 1), block)


TEXT = 'strange_param { a: 0.1f b: 3 b: 4 c: true d: WORD e: "text" inner { a: 1e-3 } }'


def test_unknown_blocks_are_read_from_the_text():
    given = _fields(TEXT, "strange_param")
    assert given.number("a", 7) == float(np.float32(0.1))
    assert given.integers("b") == [3, 4]
    assert given.flag("c", default=False) is True
    assert (given.word("d", ""), given.word("e", "")) == ("WORD", "text")
    assert given.inner("inner").number("a", 0) == float(np.float32(1e-3))
    assert given.inner("absent").integer("a", 5) == 5


def test_known_blocks_are_read_from_the_message():
    text = "detection_output_param { num_classes: 3 code_type: CENTER_SIZE nms_param { top_k: 7 } }"
    given = _fields(text, "detection_output_param")
    assert (given.integer("num_classes", 0), given.word("code_type", "")) == (3, "CENTER_SIZE")
    assert not given.has("keep_top_k")
    assert given.inner("nms_param").integer("top_k", -1) == 7


def test_a_block_that_is_not_there():
    given = _fields("", "strange_param")
    assert (given.number("a", 0.5), given.integers("b"), given.flag("c", default=True)) == (0.5, [], True)


def test_values_of_another_type():
    given = _fields("strange_param { a: WORD }", "strange_param")
    for read in (given.numbers, given.integers):
        with pytest.raises(InvalidNetError, match="must be"):
            read("a")
    with pytest.raises(InvalidNetError, match="true or false"):
        given.flag("a", default=True)
