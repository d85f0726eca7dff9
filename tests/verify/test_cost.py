"""A proof's time is bounded for nets of many layers and many wires, too."""

from __future__ import annotations

import itertools
import math

from caffe_bn_convert import convert
from caffe_bn_convert.verify import Options, walk
from caffe_bn_convert.verify.cost import affordable
from caffe_bn_convert.verify.ours import caffe_of
from tests.nets import input_layer, layer, write_net

MOST = 54


def inputs_of(folder, text):
    conversion = convert(*write_net(folder, text))
    sizes = {name: math.prod(shape) for name, shape in conversion.graph.shapes.items()}
    return affordable(caffe_of(conversion), sizes, MOST)


def test_many_layers_get_fewer_inputs(tmp_path):
    def chain(length):
        names = ["data", *(f"y{i}" for i in range(length))]
        pairs = itertools.pairwise(names)
        return input_layer(1, 2) + "".join(layer("ReLU", top, bottom) for bottom, top in pairs)

    assert inputs_of(tmp_path, chain(5)) == MOST
    assert 2 <= inputs_of(tmp_path, chain(2500)) < 10


def test_many_bottoms_get_fewer_inputs(tmp_path):
    wide = " ".join(["data"] * 400)
    text = input_layer(1, 2) + "".join(layer("Eltwise", f"y{i}", wide) for i in range(100))
    assert 2 <= inputs_of(tmp_path, text) < 10


def test_the_noise_of_a_value_is_measured_once_for_all_readers(tmp_path, monkeypatch):
    text = input_layer(2, 3, 4, 5) + "".join(layer("Eltwise", f"y{i}", "data data data") for i in range(20))
    conversion = convert(*write_net(tmp_path, text))
    conversion.save(tmp_path / "out.onnx")
    measured = []

    def measure(*args, _measure=walk.measure):
        measured.append(args[0].shape)
        return _measure(*args)

    monkeypatch.setattr(walk, "measure", measure)
    report = conversion.verify(tmp_path / "out.onnx", Options())
    assert report.verdict == "proven"
    assert len(measured) <= 2 * len(report.feeds)  # data once a pass: on Caffe's numbers, and on the runtime's
