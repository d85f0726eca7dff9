from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import run, values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

HEAD = input_layer(1, 240, name="loc") + input_layer(1, 120, name="conf") + input_layer(1, 2, 240, name="priors")
HEAD += layer("Power", "l", "loc", rest="power_param { scale: 2 }") + layer("Sigmoid", "c", "conf")
HEAD += layer("Power", "p", "priors", rest="power_param { shift: 1 }")
HEAD += layer("DetectionOutput", "out", "l c p", rest="detection_output_param { num_classes: 2 }")


def test_the_heads_bottoms_are_outputs(tmp_path):
    text = HEAD + layer("DetectionEvaluate", "e", "out") + layer("Flatten", "f", "out")
    conversion = cbc.convert(write_net(tmp_path, text)[0], cut_at_raw=True)
    assert conversion.graph.outputs == ("l", "c", "p")
    assert [note.layer for note in conversion.notes][-2:] == ["out", "f"]
    check_by_oracle(tmp_path, HEAD, {"loc": values("a", 1, 240), "conf": values("b", 1, 120),
                                     "priors": values("c", 1, 2, 240)}, cut_at_raw=True)  # fmt: skip


def test_nothing_to_cut(tmp_path):
    with pytest.raises(cbc.UsageError, match="nothing to cut off"):
        cbc.convert(write_net(tmp_path, input_layer(2, 3) + layer("ReLU", "y"))[0], cut_at_raw=True)


def test_what_comes_behind_the_end_need_not_be_known(tmp_path):
    text = input_layer(2, 3) + layer("ReLU", "r") + layer("Sigmoid", "s", "r", "r") + layer("Unheard", "y", "r")
    prototxt = write_net(tmp_path, text)[0]
    with pytest.raises(cbc.UnsupportedError):
        cbc.convert(prototxt)
    x = values("data", 2, 3)
    got = run(cbc.convert(prototxt, until=["r"]), {"data": x})
    np.testing.assert_allclose(got["r"], 1 / (1 + np.exp(-np.maximum(x, 0))), rtol=1e-5)


def test_unknown_data_layers_are_inputs(tmp_path):
    text = 'layer { name: "d" type: "MolGridData" top: "data" top: "label" molgrid_data_param { source: "x" } }\n'
    text += layer("ReLU", "y")
    prototxt = write_net(tmp_path, text)[0]
    with pytest.raises(cbc.ConversionError, match="add --shape data="):
        cbc.convert(prototxt)
    check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 7, 9)}, shapes={"data": (2, 3, 7, 9)})
    conversion = cbc.convert(prototxt, shapes={"data": (2, 3, 7, 9), "label": (2,)})
    assert conversion.graph.inputs == ("data", "label")


@pytest.mark.parametrize(("name", "rows"), [("floor", 3), ("ceil", 4)])
@pytest.mark.parametrize("by", ["Pooling", "y"])
def test_dialects(tmp_path, name, rows, by):
    text = input_layer(2, 3, 8, 8) + layer("Pooling", "y", rest="pooling_param { kernel_size: 3 stride: 2 }")
    got = check_by_oracle(tmp_path, text, {"data": values("data", 2, 3, 8, 8)}, dialects={by: name})
    assert got["y"].shape == (2, 3, rows, rows)


@pytest.mark.parametrize("whose", ["nvidia", "intel"])
def test_the_third_of_five_blobs(tmp_path, whose):
    text = input_layer(2, 3, 7, 9) + layer("BatchNorm", "y")
    factor = np.array([2.0])
    blobs = [values("m", 3), values("v", 3) + 2, factor, values("s", 3), values("b", 3)]
    prototxt, weights = write_net(tmp_path, text, {"y": blobs})
    with pytest.raises(cbc.ConversionError, match="--dialect LAYER=nvidia"):
        cbc.convert(prototxt, weights)
    x = values("data", 2, 3, 7, 9)
    wanted = check_by_oracle(tmp_path, text, {"data": x}, {"y": blobs}, dialects={"y": whose})["y"]
    mean, variance, _, scale, bias = (b.reshape(-1, 1, 1).astype(np.float64) for b in blobs)
    by = 2 if whose == "intel" else 1
    np.testing.assert_allclose(
        wanted, (x - mean / by) / np.sqrt(variance / by + 1e-5) * scale + bias, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [({"z": "floor"}, "neither a layer"), ({"y": "mean"}, 'no dialect "mean"'), ({"data": "x"}, 'no dialect "x"')],
)
def test_wrong_dialects(tmp_path, chosen, message):
    text = input_layer(2, 3, 8, 8) + layer("Pooling", "y", rest="pooling_param { kernel_size: 3 stride: 2 }")
    with pytest.raises(cbc.UsageError, match=message):
        cbc.convert(write_net(tmp_path, text)[0], dialects=chosen)
