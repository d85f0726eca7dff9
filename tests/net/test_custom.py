"""Layers of unknown types as nodes of a custom domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe.prototxt import parse
from caffe_bn_convert.cli import run as command
from caffe_bn_convert.layers.custom import own_fields
from tests.golden import values
from tests.nets import input_layer, layer, write_net
from tests.test_plugin import PAGE, blocks, example, words  # noqa: F401  (a fixture)

if TYPE_CHECKING:
    from pathlib import Path

FROB = "frob_param { alpha: 0.5 k: 3 k: 5 mode: FAST on: true in { z: 1e3 } }"


def converted(folder: Path, text: str, blobs: list[np.ndarray] | None = None, **options: object) -> cbc.Conversion:
    prototxt, weights = write_net(folder, input_layer(2, 3, 7, 9) + text, {"y": blobs} if blobs else None)
    return cbc.convert(prototxt, weights, custom_domain="com.example", **options)


def test_node_attributes_blobs_and_domain(tmp_path: Path) -> None:
    blob = values("blob", 4, 5)
    conversion = converted(tmp_path, layer("Frob", "y", rest=FROB), [blob], shapes={"y": [2, 4, 1, "W"]})
    model = conversion.to_onnx()
    (node,) = model.graph.node
    assert (node.op_type, node.domain, list(node.input)) == ("Frob", "com.example", ["data", "y/blob0"])
    got = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert got == {"alpha": 0.5, "k": [3, 5], "mode": b"FAST", "on": 1, "in_z": 1000.0}
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 17), ("com.example", 1)}
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), blob)
    onnx.checker.check_model(model, full_check=True)
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == [2, 4, 1, "W"]


def test_every_node_is_named(tmp_path: Path) -> None:
    text = layer("Frob", "y") + layer("ReLU", "r", "y") + layer("Nicate", "z", "r")
    conversion = converted(tmp_path, text, shapes={"y": [2, 3], "z": [2, 5]})
    assert [note.layer for note in conversion.notes] == ["y", "z"]
    assert "Nicate of com.example" in conversion.notes[1].text


def test_unknown_shape(tmp_path: Path) -> None:
    with pytest.raises(cbc.InvalidNetError, match=r'the shape of "y" is unknown') as caught:
        converted(tmp_path, layer("Frob", "y"))
    assert "--shape y=" in str(caught.value)


def test_in_place_it_keeps_the_shape(tmp_path: Path) -> None:
    conversion = converted(tmp_path, layer("ReLU", "y") + layer("Frob", "f", "y", "y"))
    assert [str(conversion.graph.shapes[name]) for name in conversion.graph.outputs] == ["(2, 3, 7, 9)"]


def test_a_shape_for_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cbc.UsageError, match=r'--shape names "z"'):
        converted(tmp_path, layer("Frob", "y"), shapes={"y": [2, 3], "z": [2, 5]})


def test_several_tops_and_none(tmp_path: Path) -> None:
    text = layer("Frob", "y", tops="a b") + layer("Sink", "s", "a b", tops="")
    conversion = converted(tmp_path, text + layer("ReLU", "r", "b"), shapes={"a": [2, 3], "b": [7]})
    assert [node.op_type for node in conversion.to_onnx().graph.node] == ["Frob", "Relu"]


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml"])
def test_domains_that_are_taken(tmp_path: Path, domain: str) -> None:
    prototxt, _ = write_net(tmp_path, input_layer(2, 3) + layer("Frob", "y"))
    with pytest.raises(cbc.UsageError, match="is no domain for custom operators"):
        cbc.convert(prototxt, custom_domain=domain, shapes={"y": [2, 3]})


def test_never_by_default(tmp_path: Path) -> None:
    prototxt, _ = write_net(tmp_path, input_layer(2, 3) + layer("Frob", "y"))
    with pytest.raises(cbc.UnsupportedError, match=r'layer type "Frob" is not supported'):
        cbc.convert(prototxt)


def test_the_command_of_the_page(example: Path) -> None:  # noqa: F811
    assert command(words(blocks(PAGE, "sh")[1])) == 0
    text = onnx.printer.to_text(onnx.load("retrieval.onnx").graph)
    last = text.splitlines()[-2].split("] ")[-1].strip()
    assert last.replace('"', "") == blocks(PAGE, "text")[1].strip().replace('"', "")  # onnx before 1.20 has no quotes


class TestOwnFields:
    def test_standard_fields_are_not_its_own(self) -> None:
        text = 'name: "a" type: "T" bottom: "b" top: "t" param { lr_mult: 0 } include { phase: TEST } extra: 7'
        assert own_fields(parse(text)) == {"extra": 7}

    def test_lists(self) -> None:
        text = "p { a: [1] b: 1 b: 2.5 c: 'x' c: 'y' d: true d: false }"
        assert own_fields(parse(text)) == {"a": [1], "b": [1.0, 2.5], "c": ["x", "y"], "d": [1, 0]}

    def test_no_text(self) -> None:
        assert own_fields(None) == {}

    def test_one_name_in_two_blocks(self) -> None:
        with pytest.raises(cbc.UnsupportedError, match='two of its blocks have a field "a"'):
            own_fields(parse("p { a: 1 } q { a: 2 }"))

    def test_mixed(self) -> None:
        with pytest.raises(cbc.UnsupportedError, match="of different kinds: 1, x"):
            own_fields(parse('p { a: 1 a: "x" }'))


class TestProvable:
    """What can be run without the nodes."""

    def test_tops_are_fed_and_bottoms_are_shown(self, tmp_path: Path) -> None:
        text = layer("Sigmoid", "s") + layer("Frob", "f", "s") + layer("ReLU", "r", "f")
        part = converted(tmp_path, text, shapes={"f": [2, 5]}).provable
        assert (part.graph.inputs, part.graph.outputs) == (("data", "f"), ("r", "s"))
        assert [layer.type for layer in part.net.layers] == ["Input", "Sigmoid", "Input", "ReLU"]

    def test_a_whole_net_is_itself(self, tmp_path: Path) -> None:
        conversion = converted(tmp_path, layer("ReLU", "r"))
        assert conversion.provable is conversion

    def test_one_that_works_in_place_cannot_be_cut_out(self, tmp_path: Path) -> None:
        text = layer("ReLU", "y") + layer("Frob", "f", "y", "y")
        assert converted(tmp_path, text).provable.graph.outputs == ()

    def test_what_is_around_them_is_verified(self, tmp_path: Path) -> None:
        text = layer("Sigmoid", "s") + layer("Frob", "f", "s") + layer("ReLU", "r", "f")
        reports = []
        conversion = converted(tmp_path, text, shapes={"f": [2, "W"]})
        conversion.save(tmp_path / "out.onnx", verify=True, tell=reports.append)
        (report,) = reports
        assert report.passed
        assert {output.name for output in report.outputs} == {"s", "r"}
        assert "without the nodes of custom domains" in report.model
