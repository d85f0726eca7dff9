from __future__ import annotations

import pytest
from tests.nets import input_layer, layer

from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.values import Read, outputs, plan, shares_memory


def net(*layers):
    return parse_net(input_layer(2, 3, 7, 9) + "".join(layers))


def test_in_place_values_have_keys_of_their_own():
    walk = plan(
        net(layer("TanH", "a"), layer("ReLU", "r", "a", "a"), layer("ELU", "e", "a", "a"), layer("Exp", "b", "a"))
    )
    assert [step.tops for step in walk.steps] == [("data",), ("a/a",), ("a/r",), ("a",), ("b",)]
    assert [step.bottoms for step in walk.steps[2:]] == [(Read(key, key),) for key in ("a/a", "a/r", "a")]
    assert walk.outputs == {"b": Read("b", "b")}


def test_an_input_keeps_its_name():
    walk = plan(net(layer("ReLU", "r", "data", "data"), layer("ELU", "e", "data", "data")))
    assert [step.tops for step in walk.steps] == [("data",), ("data/r",), ("data/e",)]
    assert outputs(net(layer("ReLU", "r", "data", "data"))) == ("data/r",)


def test_layers_of_one_name_get_numbers():
    walk = plan(net(layer("TanH", "x"), *[layer("ReLU", "r", "x", "x")] * 3))
    assert [step.tops for step in walk.steps[1:]] == [("x/x",), ("x/r",), ("x/r#2",), ("x",)]


def test_outputs_are_alphabetical_and_without_unread_inputs():
    assert outputs(net(input_layer(1, name="unread"), layer("TanH", "z"), layer("TanH", "b"))) == ("b", "z")


def test_dummy_data_and_parameter_are_outputs_unless_random():
    made = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 1 } %s } }'
    assert outputs(net(made % "", 'layer { name: "p" type: "Parameter" top: "p" }')) == ("d", "p")
    assert outputs(net(made % 'data_filler { type: "gaussian" }')) == ()


def test_an_output_that_shares_memory_is_what_is_left_in_it():
    walk = plan(net(layer("Split", "s", "data", "x y"), layer("ReLU", "r", "x", "x"), layer("TanH", "t", "x")))
    assert walk.steps[1].tops == ("x/s", "y/s")
    assert walk.outputs == {"t": Read("t", "t"), "y": Read("x", "y/s")}


def test_who_reads_shared_memory_later_finds_the_new_numbers():
    walk = plan(net(layer("Flatten", "f", "data", "f"), layer("ReLU", "r", "f", "f"), layer("TanH", "t", "data")))
    assert walk.steps[3].bottoms == (Read("f", "data"),)
    assert walk.steps[1].tops == ("f/f",)


def test_a_blob_that_is_no_output_keeps_its_key():
    walk = plan(net(layer("TanH", "t"), layer("Flatten", "f", "t"), layer("ReLU", "r", "f", "f")))
    assert [step.tops for step in walk.steps] == [("data",), ("t",), ("f/f",), ("f",)]
    assert walk.outputs == {"f": Read("f", "f")}


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        (layer("Reshape", "x"), True),
        (layer("Concat", "x"), True),
        (layer("Concat", "x", "a b"), False),
        (layer("Slice", "x"), True),
        (layer("Slice", "x", "a", "b c"), False),
        (layer("Permute", "x", rest="permute_param { order: 0 order: 1 }"), True),
        (layer("Permute", "x", rest="permute_param { order: 0 order: 2 }"), False),
        (layer("TanH", "x"), False),
    ],
)
def test_sharing(text, shares):
    assert shares_memory(parse_net(text).layers[0].parameter) is shares


def test_caffe_refuses_unknown_and_doubled_blobs():
    with pytest.raises(InvalidNetError, match='no blob "nothing"'):
        plan(net(layer("TanH", "t", "nothing")))
    with pytest.raises(InvalidNetError, match='"t" is made by several') as caught:
        plan(net(layer("TanH", "t"), layer("ReLU", "r", "data", "t")))
    assert caught.value.problems[0].where.layer == "r"
