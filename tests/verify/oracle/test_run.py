from __future__ import annotations

import numpy as np
import pytest
from tests.nets import input_layer, layer

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.errors import InvalidNetError, UnsupportedError, UsageError
from caffe_bn_convert.verify.oracle import DISCONTINUOUS, LAYERS, discontinuous, forward, run
from caffe_bn_convert.verify.oracle.rules import FAMILIES

X = np.random.default_rng(1).uniform(-1, 1, (2, 3, 7, 9)).astype(np.float32)


def compute(*layers, blobs=None, inputs=None, **options):
    net = parse_net(input_layer(2, 3, 7, 9) + "".join(layers))
    return run(net, blobs or [()] * len(net.layers), {"data": X} if inputs is None else inputs, **options)


CHAIN = (
    layer("Power", "p", rest="power_param { shift: 0.5 }"),
    layer("ReLU", "r", "p", "p"),
    layer("AbsVal", "a", "p"),
)


def test_only_outputs_are_kept():
    assert list(compute(*CHAIN)) == ["a"]


def test_all_values_can_be_kept():
    got = compute(*CHAIN, keep="all")
    assert list(got) == ["data", "p/p", "p", "a"]
    np.testing.assert_array_equal(got["p/p"], np.float64(X) + 0.5)
    np.testing.assert_array_equal(got["p"], np.maximum(got["p/p"], 0))
    np.testing.assert_array_equal(got["data"], X)


def test_some_values_can_be_kept():
    assert list(compute(*CHAIN, keep={"p/p"})) == ["p/p", "a"]
    with pytest.raises(UsageError, match="'b'"):
        compute(*CHAIN, keep={"b"})


def test_shapes_of_all_values_can_be_asked_for():
    shapes = {}
    compute(*CHAIN, layer("Flatten", "f", "a"), shapes=shapes)
    assert shapes == dict.fromkeys(["data", "p/p", "p", "a"], X.shape) | {"f": (2, 189)}


def test_an_output_in_place_on_an_input():
    got = compute(layer("ReLU", "r", "data", "data"))
    np.testing.assert_array_equal(got["data/r"], np.maximum(X, 0))


def test_an_output_that_shares_memory():
    got = compute(layer("Reshape", "s", "data", "s", "reshape_param { shape { dim: 0 dim: -1 } }"), layer("AbsVal", "t"),
                  layer("Split", "v", "s", "v w"), layer("ReLU", "r", "v", "v"))  # fmt: skip
    assert list(got) == ["t", "v", "w"]
    np.testing.assert_array_equal(got["w"], np.maximum(X, 0).reshape(2, -1))
    np.testing.assert_array_equal(got["t"], np.abs(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_values_have_the_dtype(dtype):
    assert {value.dtype for value in compute(*CHAIN, dtype=dtype, keep="all").values()} == {np.dtype(dtype)}


def test_inputs_are_not_written_to():
    x = X.copy()
    x.flags.writeable = False
    compute(layer("ReLU", "r", "data", "data"), inputs={"data": x}, dtype=np.float32)


def test_a_layer_may_have_a_phase_of_its_own():
    batch_norm = layer("BatchNorm", "b", rest="phase: TRAIN")
    y = compute(batch_norm)["b"]
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_array_equal(y, compute(layer("BatchNorm", "b"), phase="TRAIN")["b"])


def test_layers_without_tops_are_skipped():
    assert list(compute(layer("AbsVal", "a"), layer("Silence", "s", "a", ""), layer("Strange", "o", "a", ""))) == []


def test_faults_name_their_layer():
    with pytest.raises(UsageError, match="'data'"):
        compute(*CHAIN, inputs={})
    with pytest.raises(UnsupportedError, match=r'layer "s" .*"Strange"'):
        compute(layer("Strange", "s"))
    with pytest.raises(InvalidNetError, match="makes 1 top blobs, 2 are named"):
        compute(layer("TanH", "t", tops="t u"))


def test_missing_weights_with_a_random_filler_are_an_error():
    text = "inner_product_param {{ num_output: 4 weight_filler {{ {} }} }}"
    with pytest.raises(UnsupportedError, match='"xavier" is random'):
        compute(layer("InnerProduct", "i", rest=text.format('type: "xavier"')))
    y = compute(layer("InnerProduct", "i", rest=text.format("value: 0.5")))["i"]
    np.testing.assert_allclose(y, np.tile(X.reshape(2, -1).sum(1, dtype=np.float64)[:, None] / 2, 4))


def test_one_layer_alone():
    definition = parse_net(layer("Scale", "s")).layers[0]
    (y,) = forward(definition, [X], [Blob.of(np.array([1, 2, 3], np.float32))], np.float32)
    np.testing.assert_array_equal(y, X * np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1))


def test_every_type_has_one_rule():
    names = [name for family in FAMILIES for name in family.LAYERS]
    assert len(names) == len(set(names)) == len(LAYERS)
    assert set(LAYERS) >= DISCONTINUOUS


def test_a_mask_jumps_and_its_maximum_does_not():
    kinds = [layer("Pooling", "p"), layer("Pooling", "p", "data", "p m"), layer("ArgMax", "a"), layer("TanH", "t")]
    assert [discontinuous(parse_net(kind).layers[0].parameter) for kind in kinds] == [False, True, True, False]
