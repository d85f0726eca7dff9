"""Fields of forks in BVLC's layers: read, or refused by name, and never passed over."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.definition import LayerDefinition
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Source
from caffe_bn_convert.layers.dialect import FIRST_FORK_FIELD
from tests.caffe.schemas import label
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

X = values("data", 2, 3, 7, 9)
WEIGHTS = {"y": [values("w", 6, 3, 3, 2), values("b", 6)]}


def convolution(rest):
    return input_layer(2, 3, 7, 9) + layer(
        "Convolution", "y", rest=f"convolution_param {{ num_output: 6 kernel_h: 3 kernel_w: 2 {rest} }}"
    )


@pytest.mark.parametrize(
    ("rest", "shape"),
    [
        ("pad_l: 0 pad_r: 0 pad_t: 0 pad_b: 0 pad: 1", (7, 10)),
        ("pad_l: 1 pad_r: 2 pad_t: 3 pad_b: 0", (8, 11)),
        ("pad_r: 1 pad_b: 1 stride: 2", (3, 5)),
        ("dilation_h: 2 dilation_w: 3", (3, 6)),
        ("filter_stride: 2", (3, 7)),
        ("filter_stride_h: 1 filter_stride_w: 4", (5, 5)),
        ("hole_h: 2", (3, 8)),
    ],
)
def test_convolution(tmp_path, rest, shape):
    wanted = check_by_oracle(tmp_path, convolution(rest), {"data": X}, WEIGHTS)
    assert wanted["y"].shape == (2, 6, *shape)


def test_padding_on_one_side_is_padding_before_the_convolution(tmp_path):
    wanted = check_by_oracle(tmp_path, convolution("pad_l: 1 pad_b: 2"), {"data": X}, WEIGHTS)["y"]
    padded = np.pad(X, ((0, 0), (0, 0), (0, 2), (1, 0)))
    text = convolution("").replace("dim: 7 dim: 9", "dim: 9 dim: 10")
    np.testing.assert_allclose(check_by_oracle(tmp_path, text, {"data": padded}, WEIGHTS)["y"], wanted, rtol=1e-5)


def pooling(rest):
    return input_layer(2, 3, 7, 9) + layer("Pooling", "y", rest=f"pooling_param {{ {rest} }}")


@pytest.mark.parametrize("method", ["MAX", "AVE", "AVE_EXC_PAD", "AVE_TF"])
@pytest.mark.parametrize(
    "rest",
    [
        "kernel_size: 3 stride: 2 pad_r: 1 pad_b: 1",
        "kernel_size: 3 stride: 2 pad_l: 2 pad_t: 1",
        "kernel_size: 4 stride: 3 pad_l: 1 pad_r: 3 pad_t: 0 pad_b: 2",
        "kernel_size: 3 stride: 2 ceil_mode: false",
        "kernel_size: 2 stride: 3 torch_pooling: true pad_r: 1",
        "kernel_size: 2 stride: 3 torch_pooling: true",
        "kernel_size: 2 stride: 2 ceil_mode: true torch_pooling: true",
    ],
)
def test_pooling(tmp_path, method, rest):
    check_by_oracle(tmp_path, pooling(f"pool: {method} {rest}"), {"data": X})


def test_pooling_of_one_sided_padding_by_hand(tmp_path):
    text = pooling("pool: AVE kernel_size: 2 stride: 2 pad_r: 1").replace(
        "dim: 2 dim: 3 dim: 7 dim: 9", "dim: [1,1,2,3]"
    )
    wanted = check_by_oracle(tmp_path, text, {"data": np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)})["y"]
    # The padding behind counts, with 0.
    np.testing.assert_array_equal(wanted.ravel(), [2, 1.75])


def test_averages_without_the_padding_by_hand(tmp_path):
    text = pooling("pool: AVE_EXC_PAD kernel_size: 3 stride: 2 pad: 1").replace(
        "dim: 2 dim: 3 dim: 7 dim: 9", "dim: [1,1,2,3]"
    )
    wanted = check_by_oracle(tmp_path, text, {"data": np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)})["y"]
    np.testing.assert_array_equal(wanted.ravel(), [2, 3, 3.5, 4.5])


def test_relu6_as_a_field(tmp_path):
    text = input_layer(2, 3, 7, 9) + layer("ReLU", "y", rest="relu_param { relu6: true negative_slope: 0.5 }")
    x = 10 * X
    wanted = check_by_oracle(tmp_path, text, {"data": x})["y"]
    np.testing.assert_allclose(wanted, np.minimum(np.where(x > 0, x, x / 2), 6))


def test_a_parameter_with_a_filler(tmp_path):
    rest = "parameter_param { shape { dim: 2 dim: 3 } filler { type: 'constant' value: 7 } }"
    text = input_layer(2, 3) + layer("Parameter", "p", "", rest=rest) + layer("Eltwise", "y", "data p")
    x = values("data", 2, 3)
    got = cbc.convert(write_net(tmp_path, text)[0], allow="all")
    assert [f.code for f in got.findings] == ["NET002"]
    np.testing.assert_array_equal(check_by_oracle(tmp_path, text, {"data": x}, {"p": [np.full((2, 3), 7)]})["y"], x + 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (convolution("pad: 1 pad_l: 1"), "given together"),
        (convolution("pad_l: -1"), "must not be negative"),
        (convolution("dilation: 2 hole: 2"), "spellings of several forks"),
        (input_layer(2, 3, 7, 9) + layer("Concat", "y", rest="concat_param { per_fla_fuse: true }"), "channels last"),
        (convolution("pad_l: 1").replace('"Convolution"', '"Deconvolution"'), "of a Deconvolution"),
        (pooling("kernel_size: 2 pad_l: 2"), "smaller than the kernel"),
        (pooling("kernel_size: 2 pad: 1 pad_l: 1"), "given together"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(ConversionError, match=message):
        cbc.convert(write_net(tmp_path, text)[0])


SAMPLES = {
    "ArgMax": "argmax_param { }",
    "BatchNorm": "batch_norm_param { }",
    "Bias": "bias_param { }",
    "Concat": "concat_param { }",
    "Convolution": "convolution_param { num_output: 6 kernel_size: 2 }",
    "ConvolutionDepthwise": "convolution_param { kernel_size: 2 }",
    "Crop": "crop_param { }",
    "Deconvolution": "convolution_param { num_output: 6 kernel_size: 2 }",
    "DepthwiseConvolution": "convolution_param { num_output: 6 group: 6 kernel_size: 2 }",
    "ELU": "elu_param { }",
    "Eltwise": "eltwise_param { }",
    "Embed": "embed_param { num_output: 2 input_dim: 3 }",
    "Exp": "exp_param { }",
    "Flatten": "flatten_param { }",
    "Im2col": "convolution_param { kernel_size: 2 }",
    "InnerProduct": "inner_product_param { num_output: 2 }",
    "Input": "input_param { }",
    "LRN": "lrn_param { }",
    "LSTM": "recurrent_param { num_output: 2 }",
    "Log": "log_param { }",
    "MVN": "mvn_param { }",
    "MemoryData": "memory_data_param { batch_size: 1 channels: 1 height: 1 width: 1 }",
    "PReLU": "prelu_param { }",
    "Parameter": "parameter_param { }",
    "Pooling": "pooling_param { kernel_size: 2 }",
    "Power": "power_param { }",
    "ReLU": "relu_param { }",
    "Reduction": "reduction_param { }",
    "Reshape": "reshape_param { }",
    "Scale": "scale_param { }",
    "Sigmoid": "sigmoid_param { }",
    "Slice": "slice_param { }",
    "Softmax": "softmax_param { }",
    "Threshold": "threshold_param { }",
}
# Read with another value, or only how it is computed, or only in training.
PASSED_OVER = {
    "engine", "conv_algorithm", "cudnn_convolution_algo_seeker", "conv_algos_override", "weight_fixed", "dis_mode",
    "gen_mode", "unit_test_mode", "unit_test_fuse_kernel", "use_weight_bias", "bias_term", "update_global_stats",
    "scale_bias", "hole", "filter_stride", "icnet",
}  # fmt: skip
BOTTOMS = {"Eltwise": 2, "Crop": 2, "LSTM": 2, "Input": 0, "MemoryData": 0, "DummyData": 0, "Parameter": 0}


def given(kind, field=None, value=None):
    """The layer as it is read, with one more field."""
    parameter = schema.message("LayerParameter")(name="y", type=kind, top=["y"])
    parameter.bottom.extend("ab"[: BOTTOMS.get(kind, 1)])
    name, _, rest = SAMPLES[kind].partition(" ")
    message = getattr(parameter, name)
    message.SetInParent()
    for key, number in zip(rest.strip("{ }").split()[::2], rest.strip("{ }").split()[1::2], strict=True):
        target = getattr(message, key[:-1])
        if hasattr(target, "append"):
            target.append(int(number))
        else:
            setattr(message, key[:-1], int(number))
    if field is not None and label(field) == "repeated":
        getattr(message, field.name).append(value)
    elif field is not None:
        setattr(message, field.name, value)
    return LAYERS[kind].read(Source(LayerDefinition(parameter)))


def others(field):
    """Values that are not the field's default."""
    if field.enum_type is not None:
        return [v.number for v in field.enum_type.values if v.number != field.default_value][:2]
    if field.type == field.TYPE_STRING:
        return ["strange"]
    if field.type == field.TYPE_BOOL:
        return [not field.default_value]
    start = 0 if label(field) == "repeated" else field.default_value
    return [start + 1, start + 3]


def fork_fields():
    for kind, text in SAMPLES.items():
        message = getattr(schema.message("LayerParameter")(), text.split()[0])
        for field in message.DESCRIPTOR.fields:
            if field.number >= FIRST_FORK_FIELD and field.type != field.TYPE_MESSAGE and field.name not in PASSED_OVER:
                yield pytest.param(kind, field, id=f"{kind}-{field.name}")


@pytest.mark.parametrize(("kind", "field"), list(fork_fields()))
def test_no_field_is_passed_over(kind, field):
    plain = given(kind)
    for value in others(field):
        try:
            if given(kind, field, value) != plain:
                return
        except ConversionError:
            return
    pytest.fail(f"{field.name} changes nothing and is not refused")
