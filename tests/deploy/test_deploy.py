from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.deploy import Deployed, deploy_net
from tests.paths import SHARED, needs_shared

if TYPE_CHECKING:
    from pathlib import Path

DATA = """\
layer {
  name: "data"  type: "Data"  top: "data"  top: "label"
  transform_param { crop_size: 7 mean_value: 1 mean_value: 2 mean_value: 3 mean_value: 4 mean_value: 5 }
  data_param { batch_size: 6 }
}
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
IP = 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 9 } }\n'


def deployed(text: str, **options: Any) -> Deployed:
    return deploy_net(parse_net(text), **options)


def types(text: str) -> list[tuple[str, str]]:
    return [(layer.name, layer.type) for layer in upgrade(parse_net(text)).layers]


def test_data_and_loss() -> None:
    result = deployed(DATA + IP + LOSS)
    assert types(result.text) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]
    assert "input_param { shape { dim: 1 dim: 5 dim: 7 dim: 7 } }" in result.text
    assert "label" not in result.text
    assert [note.layer for note in result.notes] == ["loss"]


def test_batch_and_shape() -> None:
    assert "dim: 8 dim: 5 dim: 7" in deployed(DATA + IP + LOSS, batch=8).text
    assert "shape { dim: 2 dim: 3 }" in deployed(DATA + IP + LOSS, shapes={"data": (2, 3)}).text


def test_a_shape_for_no_input() -> None:
    with pytest.raises(cbc.ConversionError, match='"lable", which is no input; the inputs are data'):
        deployed(DATA + IP + LOSS, shapes={"lable": (2, 3)})


def test_a_net_that_fixes_its_batch_keeps_it() -> None:
    reshape = (
        'layer { name: "r" type: "Reshape" bottom: "data" top: "ip" reshape_param { shape { dim: 3 dim: 490 } } }\n'
    )
    assert "dim: 6 dim: 5 dim: 7 dim: 7" in deployed(DATA + reshape + LOSS).text


def test_comments_and_formatting_survive() -> None:
    text = f'# the net\nname: "n"\n\n{DATA}# a prediction\n{IP}\n# what it costs\n{LOSS}'
    lines = deployed(text).text.splitlines()
    assert lines[0] == "# the net"
    assert lines[lines.index("# a prediction") + 1] == IP.rstrip()
    assert lines[lines.index("# what it costs") + 1] == "layer {"


def test_line_ends_are_kept() -> None:
    text = deployed((DATA + IP + LOSS).replace("\n", "\r\n")).text
    assert text.count("\n") == text.count("\r\n") > 5


def test_rules_of_other_states_go_and_so_do_satisfied_ones() -> None:
    train = DATA.replace("transform", "include { phase: TRAIN }\n  transform")
    test = DATA.replace("crop_size: 7", "crop_size: 8").replace("transform", "include { phase: TEST }\n  transform")
    accuracy = 'layer { name: "a" type: "Accuracy" bottom: "ip" bottom: "label" top: "a" include { phase: TEST } }\n'
    dropout = 'layer { name: "d" type: "Dropout" bottom: "ip" top: "ip" exclude { phase: TEST } }\n'
    result = deployed(train + test + IP + dropout + accuracy + LOSS)
    assert types(result.text) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]
    assert "dim: 8 dim: 8" in result.text
    assert "clude" not in result.text


def test_data_of_training_serves_where_there_is_no_other() -> None:
    result = deployed(DATA.replace("transform", "include { phase: TRAIN }\n  transform") + IP + LOSS)
    assert types(result.text)[0] == ("data", "Input")
    assert result.notes[0].layer == "data"


def test_a_blob_of_another_stage_is_named() -> None:
    relu = 'layer { name: "r" type: "ReLU" bottom: "ip" top: "r" }\n'
    staged = IP.replace("inner", 'include { stage: "val" } inner')
    with pytest.raises(cbc.ConversionError, match="--stage val"):
        deployed(DATA + staged + relu)
    assert types(deployed(DATA + staged + relu, stages=["val"]).text)[1] == ("ip", "InnerProduct")
    with pytest.raises(cbc.ConversionError, match="no layer makes"):
        deployed(DATA + IP.replace('bottom: "data"', 'bottom: "date"') + LOSS)


def test_params_keep_names_and_their_places() -> None:
    text = IP.replace("inner", 'param { lr_mult: 1 } param { name: "b" lr_mult: 2 } param { decay_mult: 0 } inner')
    (layer,) = (layer for layer in parse_net(deployed(DATA + text + LOSS).text).layers if layer.name == "ip")
    assert [param.name for param in layer.parameter.param] == ["", "b"]
    assert not any(param.HasField("lr_mult") for param in layer.parameter.param)


def test_fillers_go_unless_they_mean_something() -> None:
    filler = 'weight_filler { type: "xavier" }'
    assert "filler" not in deployed(DATA + IP.replace("num_output: 9", f"num_output: 9 {filler}") + LOSS).text
    bilinear = filler.replace("xavier", "bilinear")
    assert "bilinear" in deployed(DATA + IP.replace("num_output: 9", f"num_output: 9 {bilinear}") + LOSS).text
    nvidia = (
        'layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "ip" batch_norm_param { scale_filler { value: 1 } } }\n'
    )
    assert "scale_filler" in deployed(DATA + IP + nvidia + LOSS).text


def test_the_page_this_project_started_from() -> None:
    """Its training layers, deployed, are its deployment layers (less the learning rates, which only training reads)."""
    training = (
        DATA.replace('"data"  top: "label"', "'layerx'")
        + """\
    layer { bottom: 'layerx' top: 'layerx-bn' name: 'layerx-bn' type: 'BatchNorm'
      batch_norm_param {
        use_global_stats: false  # calculate the mean and variance for each mini-batch
        moving_average_fraction: .999
      }
      param { lr_mult: 0 }
      param { lr_mult: 0 }
      param { lr_mult: 0 }}
    # channel-wise scale and bias are separate
    layer { bottom: 'layerx-bn' top: 'layerx-bn' name: 'layerx-bn-scale' type: 'Scale',
      scale_param {
        bias_term: true
        axis: 1      # scale separately for each channel
        filler { type: 'constant' value: 1 }           # initialize scaling to 1
        bias_filler { type: 'constant' value: 0.001 }  # initialize bias
    }}
"""
    )
    by_hand = """\
    layer { bottom: 'layerx' top: 'layerx-bn' name: 'layerx-bn' type: 'BatchNorm'
      batch_norm_param { use_global_stats: true } }
    layer { bottom: 'layerx-bn' top: 'layerx-bn' name: 'layerx-bn-scale' type: 'Scale',
      scale_param { bias_term: true axis: 1 } }
"""
    result = deployed(training)
    assert [layer.parameter for layer in parse_net(result.text).layers[1:]] == [
        layer.parameter for layer in parse_net(by_hand).layers
    ]
    assert "use_global_stats: true\n" in result.text  # the comment said the opposite
    assert "# channel-wise scale and bias are separate" in result.text
    assert "was false" in result.notes[-1].text


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("", "batch_norm_param { use_global_stats: true }"),
        ("batch_norm_param { eps: 1e-4 }", "batch_norm_param { use_global_stats: true eps: 1e-4 }"),
        ("batch_norm_param { moving_average_fraction: .9 }", "batch_norm_param { use_global_stats: true }"),
        ("batch_norm_param { use_global_stats: 0 eps: 1 }", "batch_norm_param { use_global_stats: true eps: 1 }"),
        ("batch_norm_param { use_global_stats: true }", "batch_norm_param { use_global_stats: true }"),
    ],
)
def test_stored_statistics(given: str, made: str) -> None:
    norm = f'layer {{ name: "bn" type: "BatchNorm" bottom: "ip" top: "ip" {given} }}\n'
    assert made in deployed(DATA + IP + norm + LOSS).text


def test_layers_with_a_loss_weight_and_losses_of_forks_are_losses() -> None:
    total = 'layer { name: "t" type: "Reduction" bottom: "ip" top: "t" loss_weight: 2 }\n'
    fork = 'layer { name: "f" type: "FocalLoss" bottom: "ip" bottom: "label" top: "f" }\n'
    assert types(deployed(DATA + IP + total + fork).text) == [("data", "Input"), ("ip", "InnerProduct")]


def test_silence_on_labels() -> None:
    silence = 'layer { name: "s" type: "Silence" bottom: "label" }\n'
    assert types(deployed(DATA + IP + silence).text) == [("data", "Input"), ("ip", "InnerProduct")]


def test_python_data() -> None:
    python = 'layer { name: "in" type: "Python" top: "data" top: "label" python_param { module: "m" layer: "L" } }\n'
    assert types(deployed(python + IP + LOSS, shapes={"data": (2, 3)}).text)[0] == ("in", "Input")


def test_dummy_data() -> None:
    dummy = DATA.replace('"Data"', '"DummyData"').replace(
        "transform_param", "dummy_data_param { shape { dim: 6 dim: 4 } } #"
    )
    assert "dim: 1 dim: 4" in deployed(dummy + IP + LOSS).text
    constant = 'layer { name: "c" type: "DummyData" top: "c" dummy_data_param { shape { dim: 1 dim: 9 } } }\n'
    plus = 'layer { name: "p" type: "Eltwise" bottom: "ip" bottom: "c" top: "p" }\n'
    result = deployed(DATA + constant + IP + plus)
    assert ("c", "DummyData") in types(result.text)


def test_dropout_stays_unless_asked() -> None:
    dropout = 'layer { name: "d" type: "Dropout" bottom: "data" top: "d" }\n'
    text = DATA + dropout + IP.replace('bottom: "data"', "bottom: 'd'") + LOSS
    assert ("d", "Dropout") in types(deployed(text).text)
    result = deployed(text, drop_dropout=True)
    assert types(result.text) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]


@pytest.mark.parametrize(
    ("dropout", "why"),
    [
        ('bottom: "ip" top: "ip" dropout_param { scale_train: false }', "at test time"),
        ('bottom: "ip" top: "end"', "output"),
    ],
)
def test_dropout_that_does_something_stays(dropout: str, why: str) -> None:
    text = DATA + IP + f'layer {{ name: "d" type: "Dropout" {dropout} }}\n'
    result = deployed(text, drop_dropout=True)
    assert ("d", "Dropout") in types(result.text)
    assert why in result.notes[-1].text


def test_until() -> None:
    side = (
        'layer { name: "side" type: "InnerProduct" bottom: "data" top: "side" inner_product_param { num_output: 2 } }\n'
    )
    result = deployed(DATA + IP + side + LOSS, until=["prob"])
    assert types(result.text) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]
    with pytest.raises(cbc.ConversionError, match='no blob "loss"'):
        deployed(DATA + IP + LOSS, until=["loss"])


V1 = """\
name: "old"
layers { name: "data" type: DATA top: "data" top: "label" transform_param { crop_size: 7 } include: { phase: TRAIN } }
# keep me
layers {
  name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip"
  blobs_lr: 1
  blobs_lr: 2
  weight_decay: [1, 0]
  inner_product_param { num_output: 9 weight_filler { type: "xavier" } }
}
layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" }
"""


def test_v1_stays_v1() -> None:
    result = deployed(V1)
    assert "input_dim: 1\ninput_dim: 3\ninput_dim: 7\ninput_dim: 7\n# keep me\nlayers {\n" in result.text
    assert "blobs_lr" not in result.text
    assert "weight_decay" not in result.text
    assert "type: SOFTMAX\n" in result.text
    assert types(result.text) == [("input", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]


def test_v0_becomes_todays_form() -> None:
    text = """
    layers { layer { name: "data" type: "data" cropsize: 7 } top: "data" top: "label" }
    layers { layer { name: "ip" type: "innerproduct" num_output: 9 blobs_lr: 1. } bottom: "data" top: "ip" }
    layers { layer { name: "loss" type: "softmax_loss" } bottom: "ip" bottom: "label" }
    """
    assert types(deployed(text).text) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]


def test_inputs_at_the_top_of_the_file() -> None:
    text = 'input: "data"\ninput_dim: 2\ninput_dim: 3\ninput_dim: 7\ninput_dim: 9\n' + IP
    assert deployed(text).text == text
    assert "input_dim: 5\ninput_dim: 3" in deployed(text, shapes={"data": (5, 3, 7, 9)}).text
    labelled = text.replace('input: "data"\n', 'input: "data"\ninput: "label"\n').replace(
        "input_dim: 9\n", "input_dim: 9\n" + "input_dim: 2\n" * 4
    )
    assert "label" not in deployed(labelled + LOSS).text


def test_the_diff() -> None:
    lines = deployed(DATA + IP + LOSS).diff().splitlines()
    assert lines[:2] == ["--- <prototxt>", "+++ deploy.prototxt"]
    assert '+  type: "Input"' in lines


PAIRS = [
    ("BVLC__caffe__models__bvlc_alexnet__train_val", "BVLC__caffe__models__bvlc_alexnet__deploy"),
    ("BVLC__caffe__models__finetune_flickr_style__train_val", "BVLC__caffe__models__finetune_flickr_style__deploy"),
    ("anson0910__CNN_face_detection_models__face_12c__train_val", "anson0910__CNN_face_detection_models__face_12c__deploy"),
    ("GilLevi__AgeGenderDeepLearning__gender_net_definitions__train_val_test_fold_is_1",
     "GilLevi__AgeGenderDeepLearning__gender_net_definitions__deploy"),
]  # fmt: skip


@needs_shared
@pytest.mark.parametrize(("training", "by_hand"), PAIRS)
def test_against_what_people_wrote_by_hand(training: str, by_hand: str, tmp_path: Path) -> None:
    folder = SHARED / "prototxts"
    expected = cbc.shapes(folder / f"{by_hand}.prototxt")
    inputs = {name: expected.shapes[name] for name in expected.inputs}
    path = tmp_path / "deploy.prototxt"
    path.write_text(deploy_net(parse_net((folder / f"{training}.prototxt").read_text()), shapes=inputs).text)
    got = cbc.shapes(path)
    assert [(node.name, node.type, node.tops) for node in got.nodes] == [
        (node.name, node.type, node.tops) for node in expected.nodes
    ]
    assert dict(got.shapes) == dict(expected.shapes)
