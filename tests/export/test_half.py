"""The float16 forms: what stays float32, that the models are valid, and that they are near their float32 form."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import UnsupportedError, UsageError, VerificationError
from caffe_bn_convert.export.half import FLOAT, HALF, fits
from caffe_bn_convert.export.precision import METADATA_KEY
from caffe_bn_convert.preprocessing import Preprocessing
from tests.golden import OPSETS
from tests.nets import input_layer, layer, write_net

RNG = np.random.default_rng(17)
DATA = input_layer(2, 3, 7, 9)
CONV = layer("Convolution", "c", rest="convolution_param { num_output: 4 kernel_size: 3 }")
C = [RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)]
BN = [RNG.normal(size=4), RNG.uniform(0.5, 2, 4), np.ones(1)]
NETS = {
    "convolution, batch norm, relu": (
        CONV + layer("BatchNorm", "bn", "c") + layer("ReLU", "r", "bn") + layer("Softmax", "y", "r"),
        {"c": C, "bn": BN},
    ),
    "an inner value is an output, too": (CONV + layer("ReLU", "r", "c") + layer("Silence", "s", "c", ""), {"c": C}),
    "two readers of one cast": (
        CONV + layer("BatchNorm", "bn", "c") + layer("ReLU", "r", "c") + layer("Eltwise", "y", "bn r"),
        {"c": C, "bn": BN},
    ),
    "moving numbers before arithmetic": (
        layer("Slice", "sl", "data", "a b", "slice_param { slice_point: 1 }") + layer("TanH", "y", "a") + layer("ReLU", "z", "b"),
        {},
    ),
    "windows outside the image": (
        layer("Pooling", "y", rest="pooling_param { kernel_size: 1 stride: 4 }"), {},
    ),
    "a tiny constant": (layer("Power", "y", rest="power_param { shift: 1e-9 }") , {}),
    "recurrent": (
        input_layer(4, 2, 5, name="x") + input_layer(4, 2, name="cont")
        + layer("LSTM", "y", "x cont", rest="recurrent_param { num_output: 3 }"),
        {"y": [RNG.normal(size=(12, 5)), RNG.normal(size=12), RNG.normal(size=(12, 3))]},
    ),
    "arg max": (CONV + layer("ArgMax", "y", "c", rest="argmax_param { axis: 1 }"), {"c": C}),
}  # fmt: skip


def conversion(tmp_path, name, precision, **options):
    text, blobs = NETS[name]
    text = text if "input_param" in text else DATA + text
    return cbc.convert(*write_net(tmp_path, text, blobs or None), precision=precision, allow="all", **options)


def answers(made, feeds=None):
    session = ort.InferenceSession(made.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = feeds or {i.name: rng.normal(size=i.shape).astype(np.float32) for i in session.get_inputs()}
    assert all(i.type == "tensor(float)" for i in (*session.get_inputs(), *session.get_outputs()))
    return session.run(None, feeds)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("precision", ["float16", "float16-weights"])
@pytest.mark.parametrize("name", NETS)
def test_near_float32(tmp_path, name, precision, opset):
    half = conversion(tmp_path, name, precision, opset=opset)
    onnx.checker.check_model(half.to_onnx(), full_check=True)
    for a, b in zip(answers(half), answers(conversion(tmp_path, name, "float32")), strict=True):
        # 11 bits of mantissa in every weight and value, sums of up to 27 products
        np.testing.assert_allclose(a, b, rtol=0.01, atol=0.02 * max(np.abs(b).max(), 1e-3))


def test_what_computes_in_what(tmp_path):
    made = conversion(tmp_path, "convolution, batch norm, relu", "float16").to_onnx()
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(made).graph.value_info}
    types |= {i.name: i.data_type for i in made.graph.initializer}
    by_kind = {node.op_type: [types.get(name) for name in node.input] for node in made.graph.node}
    assert set(by_kind["Conv"]) == {HALF}
    assert set(by_kind["BatchNormalization"]) == {FLOAT}
    assert by_kind["Relu"] == [HALF]


def test_a_value_is_cast_once(tmp_path):
    made = conversion(tmp_path, "two readers of one cast", "float16").to_onnx()
    casts = [node.input[0] for node in made.graph.node if node.op_type == "Cast"]
    assert len(casts) == len(set(casts))


def test_weights_only(tmp_path):
    made = conversion(tmp_path, "convolution, batch norm, relu", "float16-weights").to_onnx()
    stored = {i.name: (i.data_type, tuple(i.dims)) for i in made.graph.initializer}
    assert [shape for kind, shape in stored.values() if kind == HALF] == [(4, 3, 3, 3)]
    assert [node.op_type for node in made.graph.node].count("Cast") == 1


@pytest.mark.parametrize("weights", ["embed", "external"])
@pytest.mark.parametrize("precision", ["float16", "float16-weights"])
def test_files(tmp_path, precision, weights):
    made = conversion(tmp_path, "convolution, batch norm, relu", precision)
    made.save(tmp_path / "out.onnx", weights)
    model = onnx.load(tmp_path / "out.onnx")
    expected = made.to_onnx()
    assert {i.name: onnx.numpy_helper.to_array(i).tobytes() for i in model.graph.initializer} == {
        i.name: onnx.numpy_helper.to_array(i).tobytes() for i in expected.graph.initializer
    }
    (told,) = [p.value for p in model.metadata_props if p.key == METADATA_KEY]
    assert "y: off by up to" in told


def test_a_large_blob_is_written_in_pieces(tmp_path):
    weights = RNG.normal(size=(1000, 600))
    text = input_layer(2, 600) + layer(
        "InnerProduct", "y", rest="inner_product_param { num_output: 1000 bias_term: false }"
    )
    made = cbc.convert(*write_net(tmp_path, text, {"y": [weights]}), precision="float16-weights")
    made.save(tmp_path / "out.onnx", provenance="none")
    (stored,) = onnx.load(tmp_path / "out.onnx").graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored), weights.astype(np.float32).astype(np.float16))


def test_losses_are_measured(tmp_path):
    made = conversion(tmp_path, "convolution, batch norm, relu", "float16")
    (loss,) = made.losses
    assert loss.output == "y"
    assert 0 < loss.error < 0.02
    assert loss.largest <= 1
    assert conversion(tmp_path, "convolution, batch norm, relu", "float32").losses == ()


def test_with_preprocessing_in_float32(tmp_path):
    text, blobs = NETS["convolution, batch norm, relu"]
    net = write_net(tmp_path, DATA + text, blobs)
    wanted = Preprocessing((104, 117, 123), 0.017, uint8=True, layout="nhwc")
    half, whole = (cbc.convert(*net, preprocessing=wanted, precision=p) for p in ("float16", "float32"))
    kinds = [node.op_type for node in half.model.graph.node]
    assert kinds.index("Mul") < kinds.index("Cast", kinds.index("Cast") + 1)  # the second Cast is to float16
    half.save(tmp_path / "out.onnx")
    assert half.losses[0].error < 0.02
    assert whole.losses == ()


def test_weights_beyond_float16(tmp_path):
    text = DATA + CONV
    net = write_net(tmp_path, text, {"c": [C[0] * 1e6, C[1]]})
    with pytest.raises(UnsupportedError, match=r"c/weight.*65504"):
        cbc.convert(*net, precision="float16").save(tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_values_beyond_float16(tmp_path):
    text = (
        DATA
        + layer("Power", "p", rest="power_param { scale: 5000 }")
        + layer("Power", "q", "p", rest="power_param { scale: 60 }")
    )
    text += layer("Power", "y", "q", rest="power_param { scale: 0.001 }")
    with pytest.raises(VerificationError, match="not finite"):
        cbc.convert(*write_net(tmp_path, text), precision="float16").save(tmp_path / "out.onnx")
    cbc.convert(*write_net(tmp_path, text), precision="float16-weights").save(tmp_path / "out.onnx")


def test_no_such_precision(tmp_path):
    with pytest.raises(UsageError, match="bfloat16"):
        _ = conversion(tmp_path, "arg max", "bfloat16").model


def test_fits():
    assert fits(np.float32([0, 1, -65504, np.inf, 1e-7]))
    assert not fits(np.float32([65520]))
    assert not fits(np.float32([1e-9]))


def test_an_input_of_one_number(tmp_path):
    text = DATA + input_layer(name="s") + layer("Scale", "y", "data s", rest="scale_param { axis: 0 }")
    text = text.replace('top: "s" input_param { shape {  } }', 'top: "s" input_param { shape { } }')
    (loss,) = cbc.convert(*write_net(tmp_path, text), precision="float16").losses
    assert loss.error < 3 * 2**-11 * loss.largest  # the roundings of both inputs and of their product
