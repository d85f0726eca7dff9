from __future__ import annotations

import pytest

import caffe_bn_convert as cbc
from tests.nets import input_layer, layer, write_net

SCALE = "scale_param { filler { value: 2 } }"


def graph(tmp_path, text):
    prototxt, _ = write_net(tmp_path, text)
    return cbc.convert(prototxt, fold=False).graph


def test_in_place_values_are_named_after_their_layers(tmp_path):
    g = graph(
        tmp_path,
        input_layer(2, 3)
        + layer("Scale", "a", "data", "x", SCALE)
        + layer("Scale", "b", "x", "x", SCALE)
        + layer("Scale", "c", "x", "x", SCALE),
    )
    assert [node.tops for node in g.nodes] == [("x/a",), ("x/b",), ("x",)]
    assert g.outputs == ("x",)


def test_an_input_keeps_its_name(tmp_path):
    g = graph(
        tmp_path,
        input_layer(2, 3) + layer("Scale", "a", "data", "data", SCALE) + layer("Scale", "b", "data", "data", SCALE),
    )
    assert g.inputs == ("data",)
    assert [node.tops for node in g.nodes] == [("data/a",), ("data/b",)]
    assert g.outputs == ("data/b",)


def test_a_generated_name_makes_room_for_a_blob_of_that_name(tmp_path):
    g = graph(
        tmp_path,
        input_layer(2, 3)
        + layer("Scale", "other", "data", "x/a", SCALE)
        + layer("Scale", "a", "data", "x", SCALE)
        + layer("Scale", "b", "x", "x", SCALE),
    )
    assert [node.tops for node in g.nodes] == [("x/a",), ("x/a_2",), ("x",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (layer("Scale", "a", "nowhere", "x", SCALE), 'its bottom "nowhere" is made by no layer above it'),
        (
            layer("Scale", "a", "data", "x", SCALE) + layer("Scale", "b", "data", "x", SCALE),
            'its top "x" was made before, by layer "a"',
        ),
        (
            layer("Scale", "a", "data", "x", SCALE)
            + layer("Scale", "b", "x", "y", SCALE)
            + layer("Scale", "c", "x", "x", SCALE),
            'works in place on "x", which another layer has read before',
        ),
    ],
)
def test_what_caffe_refuses(tmp_path, text, message):
    with pytest.raises(cbc.InvalidNetError, match=message) as caught:
        graph(tmp_path, input_layer(2, 3) + text)
    assert caught.value.problems[0].where.line is not None
