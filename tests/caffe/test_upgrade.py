"""The upgrades against what Caffe's own upgrader wrote, and each rule alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import text_format

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.caffe.upgrade import upgrade, upgrade_net_message
from caffe_bn_convert.errors import InvalidNetError
from tests.counting import assert_linear

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "golden"
UPGRADED = sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/*/upgraded.prototxt"))
MODELS = sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/*/upgraded.caffemodel"))


def net_message(text: str) -> Any:
    return text_format.Parse(text, schema.message("NetParameter")())


def layers(text: str) -> list[Any]:
    return [layer.parameter for layer in upgrade(parse_net(text, "net.prototxt")).layers]


def layer(text: str) -> Any:
    return text_format.Parse(text, schema.message("LayerParameter")())


def test_golden_cases_are_here() -> None:
    assert len(UPGRADED) >= 12
    assert len(MODELS) >= 5


@pytest.mark.parametrize("case", UPGRADED)
def test_prototxt_as_caffe_upgrades_it(case: str) -> None:
    net = upgrade(read_net(GOLDEN / case / "model.prototxt"))
    want = net_message((GOLDEN / case / "upgraded.prototxt").read_text(encoding="utf-8"))
    assert [layer.parameter for layer in net.layers] == list(want.layer)
    want.ClearField("layer")
    assert net.parameter == want


@pytest.mark.parametrize("case", MODELS)
def test_caffemodel_as_caffe_upgrades_it(case: str) -> None:
    kind = schema.message("NetParameter")
    model = kind.FromString((GOLDEN / case / "weights.caffemodel").read_bytes())
    before = model.SerializeToString()
    assert upgrade_net_message(model) == kind.FromString((GOLDEN / case / "upgraded.caffemodel").read_bytes())
    assert model.SerializeToString() == before


@pytest.mark.parametrize("case", UPGRADED)
def test_upgrading_twice_changes_nothing_and_the_first_net_stays(case: str) -> None:
    net = read_net(GOLDEN / case / "model.prototxt")
    before = [layer.parameter.SerializeToString() for layer in net.layers]
    once = upgrade(net)
    assert upgrade(once) == once
    assert [layer.parameter.SerializeToString() for layer in net.layers] == before


def test_layers_keep_their_text() -> None:
    net = upgrade(parse_net('input: "x" input_shape { dim: 2 }\nlayers {\n name: "r" type: RELU }', "net.prototxt"))
    assert [layer.text.line if layer.text else None for layer in net.layers] == [None, 2]


V0_FIELDS = [
    ('type: "conv" biasterm: false pad: 3 stride: 2', "convolution_param { bias_term: false pad: 3 stride: 2 }"),
    ('type: "conv" weight_filler { type: "xavier" }', 'convolution_param { weight_filler { type: "xavier" } }'),
    ('type: "innerproduct" bias_filler { value: 2 }', "inner_product_param { bias_filler { value: 2 } }"),
    ('type: "pool" pool: AVE pad: 1 kernelsize: 3', "pooling_param { pool: AVE pad: 1 kernel_size: 3 }"),
    ('type: "lrn" k: 2 alpha: 3 beta: 4 local_size: 7', "lrn_param { k: 2 alpha: 3 beta: 4 local_size: 7 }"),
    ('type: "dropout" dropout_ratio: 0.25', "dropout_param { dropout_ratio: 0.25 }"),
    ('type: "concat" concat_dim: 0', "concat_param { concat_dim: 0 }"),
    (
        'type: "data" source: "s" batchsize: 7 cropsize: 9 mirror: true meanfile: "m" scale: 0.5 rand_skip: 3',
        (
            'data_param { source: "s" batch_size: 7 rand_skip: 3 }'
            'transform_param { crop_size: 9 mirror: true mean_file: "m" scale: 0.5 }'
        ),
    ),
    (
        'type: "images" new_height: 7 new_width: 9 shuffle_images: true',
        "image_data_param { new_height: 7 new_width: 9 shuffle: true }",
    ),
    (
        'type: "window_data" det_fg_threshold: 0.1 det_bg_threshold: 0.2 det_fg_fraction: 0.3 det_context_pad: 4',
        "window_data_param { fg_threshold: 0.1 bg_threshold: 0.2 fg_fraction: 0.3 context_pad: 4 }",
    ),
    ('type: "hdf5_output" hdf5_output_param { file_name: "f" }', 'hdf5_output_param { file_name: "f" }'),
    ('type: "relu" pad: 3', ""),  # means nothing there; Caffe logs that and goes on
    ('type: "relu" blobs_lr: 1 blobs_lr: 2 weight_decay: 3', "param { lr_mult: 1 decay_mult: 3 } param { lr_mult: 2 }"),
]
V0_TYPES = {
    "conv": "Convolution",
    "innerproduct": "InnerProduct",
    "pool": "Pooling",
    "lrn": "LRN",
    "dropout": "Dropout",
    "concat": "Concat",
    "data": "Data",
    "images": "ImageData",
    "window_data": "WindowData",
    "hdf5_output": "HDF5Output",
    "relu": "ReLU",
}


@pytest.mark.parametrize(("old", "new"), V0_FIELDS)
def test_v0_fields(old: str, new: str) -> None:
    kind = V0_TYPES[old.split('"')[1]]
    assert layers(f'layers {{ layer {{ name: "n" {old} }} top: "t" }}') == [
        layer(f'name: "n" type: "{kind}" top: "t" {new}')
    ]


PADDING = 'input: "x" layers { layer { name: "p" type: "padding" pad: 2 } bottom: "x" top: "p" }'


def test_v0_padding_goes_to_every_reader() -> None:
    conv = 'layers { layer { name: "%s" type: "%s" } bottom: "p" top: "%s" }'
    got = layers(PADDING + conv % ("c", "conv", "c") + conv % ("d", "pool", "d"))
    assert [list(one.bottom) for one in got] == [["x"], ["x"]]
    assert list(got[0].convolution_param.pad) == [2]
    assert got[1].pooling_param.pad == 2


V1_FIELDS = [
    ("type: SOFTMAX_LOSS loss_weight: 0.5", 'type: "SoftmaxWithLoss" loss_weight: 0.5'),
    ("type: NONE", 'type: ""'),
    (
        'param: "a" param: "b" blob_share_mode: PERMISSIVE',
        'param { name: "a" share_mode: PERMISSIVE } param { name: "b" }',
    ),
    ("blobs_lr: 1 weight_decay: 2 weight_decay: 3", "param { lr_mult: 1 decay_mult: 2 } param { decay_mult: 3 }"),
    ("include { phase: TRAIN } exclude { stage: 's' }", "include { phase: TRAIN } exclude { stage: 's' }"),
    (
        "type: DATA data_param { scale: 2 mirror: true crop_size: 7 batch_size: 9 mean_file: 'm' }",
        (
            "type: 'Data' data_param { batch_size: 9 }"
            "transform_param { scale: 2 mirror: true crop_size: 7 mean_file: 'm' }"
        ),
    ),
    (
        "type: WINDOW_DATA window_data_param { scale: 2 } transform_param { scale: 3 mirror: true }",
        "type: 'WindowData' window_data_param { } transform_param { scale: 2 mirror: true }",
    ),
    # forks
    ("type: INTERP", 'type: "Interp"'),
    ("type: BN", 'type: "BN"'),
    ("type: MAT_READ", 'type: "MAT_READ"'),
    ("type: NO_SUCH_TYPE", 'type: "NO_SUCH_TYPE"'),
    ("type: CROP", 'type: "CROP"'),  # FCN's, which aligns by itself; BVLC's would take offset 0
    ("type: CROP crop_param { offset: 7 }", 'type: "Crop" crop_param { offset: 7 }'),
    ("type: RELU phase: TEST", 'type: "ReLU" phase: TEST'),
    ("type: PRELU prelu_param { channel_shared: true }", 'type: "PReLU" prelu_param { channel_shared: true }'),
]


@pytest.mark.parametrize(("old", "new"), V1_FIELDS)
def test_v1_fields(old: str, new: str) -> None:
    assert layers(f"layers {{ name: 'n' {old} }}") == [layer(f"name: 'n' {new}")]


def test_v1_keeps_what_is_still_unknown() -> None:
    net = upgrade(parse_net("layers { type: NO_SUCH_TYPE mystery { a: 1 } convolution_param { b: 2 } }"))
    assert {unknown.path for unknown in net.layers[0].unknown} == {"mystery", "convolution_param.b"}


def test_every_type_of_v1_has_a_name() -> None:
    kind = schema.message("V1LayerParameter").DESCRIPTOR.enum_types_by_name["LayerType"]
    bvlc = [value.name for value in kind.values if 0 < value.number < 40]
    got = layers("".join(f"layers {{ type: {name} }}" for name in bvlc))
    assert not {one.type for one in got} & set(bvlc) - {"BNLL", "LRN", "MVN"}


def test_inputs_become_one_layer_at_the_front() -> None:
    got = layers('layer { name: "r" } input: "x" input: "y" input_dim: [2, 3, 7, 9, 1, 1, 1, 1]')
    assert got == [
        layer(
            'name: "input" type: "Input" top: "x" top: "y"'
            "input_param { shape { dim: [2, 3, 7, 9] } shape { dim: [1, 1, 1, 1] } }"
        ),
        layer('name: "r"'),
    ]


def test_inputs_without_shapes_are_dropped() -> None:
    net = upgrade(parse_net('input: "x" layer { name: "r" }'))
    assert [one.name for one in net.layers] == ["r"]
    assert not net.parameter.input


def test_batch_norm_with_three_params_is_frozen() -> None:
    three = 'layer { name: "b" type: "BatchNorm" ' + "param { lr_mult: 1 } " * 3 + "}"
    assert [(param.lr_mult, param.decay_mult) for param in layers(three)[0].param] == [(0, 0)] * 3
    two = 'layer { name: "b" type: "BatchNorm" ' + "param { lr_mult: 1 } " * 2 + "}"
    assert [(param.lr_mult, param.decay_mult) for param in layers(two)[0].param] == [(1, 1)] * 2


REFUSED = {
    'layers { type: RELU name: "a" }\nlayer { }': (
        'net.prototxt:1: layer "a" (RELU): the net has both "layer" and "layers"\n'
        '  write all of them as layer { type: "..." }'
    ),
    'layers { layer { type: "relu" } }\nlayers { type: RELU name: "b" }': (
        'net.prototxt:2: layer "b" (RELU): the net has layers with an inner layer { ... } (V0) and layers without (V1)'
    ),
    'layers { layer { name: "a" type: "conf" } }': 'net.prototxt:1: layer "a" (conf): V0 has no layer type "conf"',
    'layers { layer { name: "a" type: "relu" } bottom: "x" }': (
        'net.prototxt:1: layer "a" (relu): bottom "x" is the top of no earlier layer'
    ),
    PADDING + '\nlayers { layer { name: "a" type: "relu" } bottom: "p" }': (
        'net.prototxt:2: layer "a" (relu): padding layer "p" may be read by conv and pool layers only'
    ),
    'input: "x" input_dim: 1 input_dim: 3': (
        "net.prototxt: the net has 1 input and 2 input_dim\n  give every input four input_dim"
    ),
    'input: "x" input: "y" input_shape { dim: 1 }': (
        "net.prototxt: the net has 2 input and 1 input_shape\n  give every input one input_shape"
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidNetError) as caught:
        upgrade(parse_net(text, "net.prototxt"))
    assert str(caught.value) == REFUSED[text]


def test_work_is_linear_in_the_layers() -> None:
    def work(count: int) -> Callable[[], object]:
        layers = (f'layers {{ layer {{ name: "c{i}" type: "conv" }} bottom: "x" top: "c{i}" }}\n' for i in range(count))
        net = parse_net('input: "x"\n' + "".join(layers))
        return lambda: upgrade(net)

    assert_linear(work)
