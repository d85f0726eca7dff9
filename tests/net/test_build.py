from __future__ import annotations

import json
import re

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.net.dim import Symbol
from tests.nets import input_layer, layer, write_net
from tests.paths import SHARED, needs_shared

# Caffe puts a Split behind every blob with several readers, and a nameless top on a loss without one.
MADE_BY_CAFFE = re.compile(r"_split_\d+$|^\(automatic\)$")
CONV = "convolution_param { num_output: 4 kernel_size: 3 }"


def as_set_up(shape):
    """How many rows DetectionOutput has depends on the data; Caffe says 1 until the layer has run."""
    return shape and tuple(1 if isinstance(dim, Symbol) else dim for dim in shape)


def test_everything_unsupported_is_listed_at_once(tmp_path):
    prototxt, _ = write_net(
        tmp_path,
        input_layer(2, 3, 7, 9)
        + layer("Convolutoin", "a")
        + layer("Pooling", "b", rest="pooling_param { pool: STOCHASTIC kernel_size: 2 }")
        + layer("Nonsense", "c"),
    )
    with pytest.raises(cbc.UnsupportedError) as caught:
        cbc.convert(prototxt)
    assert [problem.where.layer for problem in caught.value.problems] == ["a", "b", "c"]
    assert [problem.where.line for problem in caught.value.problems] == [2, 3, 4]
    assert 'did you mean "Convolution"?' in str(caught.value)


def test_missing_weights_are_never_invented_in_silence(tmp_path):
    prototxt, weights = write_net(
        tmp_path, input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=CONV), {"other": [np.ones(3)]}
    )
    with pytest.raises(
        cbc.RefusedError, match=r'NET001 missing-weights: 1 layer needs weights \("c"\), .* but "other"'
    ):
        cbc.convert(prototxt, weights)
    conversion = cbc.convert(prototxt, weights, allow="NET001")
    assert conversion.located.unused == ("other",)
    assert not conversion.graph.nodes[0].blobs[0].read().any()


def test_random_fillers_are_refused_whatever_is_allowed(tmp_path):
    rest = 'convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }'
    prototxt, _ = write_net(tmp_path, input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=rest))
    with pytest.raises(cbc.InvalidNetError, match="fill it at random"):
        cbc.convert(prototxt, allow="all")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=CONV)
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((4, 3, 3, 2)), np.ones(4)]})
    with pytest.raises(cbc.InvalidNetError, match="the weight is 4x3x3x2 in the weights, but the layer needs 4x3x3x3"):
        cbc.convert(prototxt, weights)
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((4, 3, 3, 3))]})
    with pytest.raises(cbc.InvalidNetError, match="1 blobs for this layer, but it takes 2"):
        cbc.convert(prototxt, weights)


def test_dynamic_axes_reach_the_outputs(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=CONV)
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((4, 3, 3, 3)), np.ones(4)]})
    graph = cbc.convert(prototxt, weights, shapes={"data": ("N", 3, "H", 9)}).graph
    assert [str(dim) for dim in graph.shapes["c"]] == ["N", "4", "H - 2", "7"]
    with pytest.raises(cbc.UnsupportedError, match="dynamic: C"):
        cbc.convert(prototxt, weights, shapes={"data": (2, "C", 7, 9)})
    with pytest.raises(cbc.UsageError, match='--shape names "nobody"'):
        cbc.convert(prototxt, weights, shapes={"nobody": (2,)})


def test_a_layer_that_is_calibrated_for_integers_needs_consent(tmp_path):
    plain = input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=CONV)
    text = plain.replace(CONV, CONV + " quantization_param { bw_params: 8 scale_in: 63.5 }")
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((4, 3, 3, 3)), np.ones(4)]})
    with pytest.raises(cbc.RefusedError, match=r"model.prototxt:2.*QUANT001.*quantised to integers") as caught:
        cbc.convert(prototxt, weights)
    assert "--allow QUANT001 converts the float32 net" in str(caught.value)
    conversion = cbc.convert(prototxt, weights, allow="QUANT001")
    assert [finding.code for finding in conversion.findings] == ["QUANT001"]
    prototxt.write_text(plain)
    assert conversion.to_onnx() == cbc.convert(prototxt, weights).to_onnx()


def test_nothing_is_quantised_in_training(tmp_path):
    rest = CONV + " quantization_param { bw_params: 8 scale_in: 63.5 }"
    text = input_layer(2, 3, 7, 9) + layer("Convolution", "c", rest=rest)
    prototxt, weights = write_net(tmp_path, text, {"c": [np.ones((4, 3, 3, 3)), np.ones(4)]})
    assert cbc.convert(prototxt, weights, phase="TRAIN").findings == ()


@needs_shared
def test_shapes_are_those_of_caffe():
    folder = SHARED / "prototxts"
    expected = json.loads((folder / "SHAPES.json").read_text())
    wrong = {}
    for name, net in expected.items():
        shapes = cbc.shapes(folder / name).shapes
        differ = {
            blob: (shape, shapes.get(blob))
            for blob, shape in net["blobs"].items()
            if not MADE_BY_CAFFE.search(blob) and as_set_up(shapes.get(blob)) != tuple(shape)
        }
        if differ:
            wrong[name] = differ
    assert len(expected) > 100
    assert wrong == {}


DUMMY = (
    'layer { name: "data" type: "DummyData" top: "data" top: "label" '
    "dummy_data_param { shape { dim: [64, 3, 8, 8] } shape { dim: 64 } } }\n"
)


def test_a_dummy_becomes_an_input_where_its_shape_is_given(tmp_path):
    text = DUMMY + layer("Pooling", "p", rest="pooling_param { pool: AVE global_pooling: true }")
    prototxt, _ = write_net(tmp_path, text)
    assert cbc.convert(prototxt).graph.inputs == ()
    conversion = cbc.convert(prototxt, shapes={"data": (1, 3, 8, 8)})
    assert conversion.graph.inputs == ("data",)
    assert conversion.graph.shapes["p"] == (1, 3, 1, 1)
    assert conversion.verify().passed


def test_a_shape_for_a_net_without_inputs(tmp_path):
    with pytest.raises(cbc.UsageError, match='"lable", which is no input; the net has no inputs'):
        cbc.convert(write_net(tmp_path, DUMMY + layer("Power", "p"))[0], shapes={"lable": (1, 3, 8, 8)})
