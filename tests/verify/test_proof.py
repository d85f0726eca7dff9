from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from caffe_bn_convert import UsageError, convert
from caffe_bn_convert.verify import Options, Rule, failure, shown
from caffe_bn_convert.verify.runtime import ExposedModel
from tests.paths import ROOT
from tests.verify.damage import CLASSIFIER, change, converted, damaged, node, weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_sound_file_is_proven(tmp_path):
    conversion, path = converted(tmp_path)
    report = conversion.verify(path)
    assert report.verdict == "proven"
    assert report.divergence is None
    assert [(o.name, o.optimised, o.status) for o in report.outputs] == [
        ("prob", False, "pass"),
        ("prob", True, "pass"),
    ]
    assert [b.name for b in report.blobs] == ["conv/conv", "conv/scale", "conv", "pool", "fc", "prob"]
    assert [b.line for b in report.blobs] == [4, 9, 10, 11, 15, 16]
    assert len(report.feeds) == 18
    assert 0 < report.worst.ratio < 0.5


def test_a_file_shows_few_values_at_a_time(tmp_path, monkeypatch):
    """onnxruntime holds everything that could be asked for: of a DenseNet ten gigabytes, were it all at once."""
    conversion, path = converted(tmp_path)
    whole, exposed = conversion.verify(path, seed=3), []

    original = ExposedModel.bytes
    monkeypatch.setattr(shown, "SLICE", 1)
    monkeypatch.setattr(ExposedModel, "bytes", lambda model: exposed.append(model.values) or original(model))
    report = conversion.verify(path, seed=3)
    assert (report.verdict, report.blobs) == (whole.verdict, whole.blobs)
    assert {name for names in exposed for name in names} == {blob.name for blob in report.blobs} - {"prob"}
    assert {len(names) for names in exposed} == {1}


def test_nothing_is_proven_where_there_are_no_numbers(tmp_path):
    conversion, path = converted(tmp_path)
    report = conversion.verify(path, inputs={"data": np.full((1, 3, 9, 7), np.nan, np.float32)})
    assert report.verdict == "unproven"


def test_the_fixture_is_proven(tmp_path):
    digits = ROOT / "fixtures/digits"
    conversion = convert(digits / "deploy.prototxt", digits / "digits.caffemodel")
    conversion.save(tmp_path / "out.onnx", verify=False)
    assert conversion.verify(tmp_path / "out.onnx").verdict == "proven"


def _damages() -> dict[str, tuple[Callable[[onnx.ModelProto], None], str]]:
    """Name of the damage: how, and the layer at fault."""

    def attribute(op: str, name: str, value: object) -> Callable[[onnx.ModelProto], None]:
        def damage(model: onnx.ModelProto) -> None:
            attributes = node(model, op).attribute
            old = next((a for a in attributes if a.name == name), None)
            if old is not None:
                attributes.remove(old)
            attributes.append(onnx.helper.make_attribute(name, value))

        return damage

    def scale_of(index: int, edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[onnx.ModelProto], None]:
        return lambda model: change(node(model, "BatchNormalization").input[index], edit)(model)

    def crossed(model: onnx.ModelProto) -> None:
        batch_norm = node(model, "BatchNormalization")
        batch_norm.input[3], batch_norm.input[4] = batch_norm.input[4], batch_norm.input[3]

    def one_weight(value: np.ndarray) -> np.ndarray:
        value[1, 2, 1, 3] *= 1.01
        return value

    def first(value: np.ndarray) -> np.ndarray:
        value[0] *= 1.01
        return value

    return {
        "one weight by 1 %": (lambda m: change(node(m, "Conv").input[1], one_weight)(m), "conv"),
        "gamma of a channel by 1 %": (scale_of(1, first), "scale"),
        "beta by 0.001": (scale_of(2, lambda v: v + 0.001), "scale"),
        "factor ignored": (scale_of(4, lambda v: v * 4), "scale"),
        "mean and variance change places": (crossed, "scale"),
        "eps ten times": (attribute("BatchNormalization", "epsilon", 0.01), "scale"),
        "pads change places": (attribute("Conv", "pads", [2, 1, 2, 1]), "conv"),
        "slope lost": (attribute("LeakyRelu", "alpha", 0.0), "relu"),
        "softmax over the batch": (attribute("Softmax", "axis", 0), "prob"),
    }


@pytest.mark.parametrize("what", _damages())
def test_damage_is_found_where_it_is(tmp_path, what):
    damage, layer = _damages()[what]
    conversion, path = converted(tmp_path)
    report = conversion.verify(damaged(path, damage))
    assert report.verdict == "failed"
    assert report.divergence is not None
    assert report.divergence.where.layer == layer


def test_a_batch_norm_is_shown_channel_by_channel(tmp_path):
    conversion, path = converted(tmp_path)

    def add(value: np.ndarray) -> np.ndarray:
        value[2] += 0.001
        return value

    report = conversion.verify(damaged(path, lambda m: change(node(m, "BatchNormalization").input[2], add)(m)))
    assert report.divergence is not None
    (channel,) = report.divergence.channels
    assert channel.channel == 2
    assert channel.shift - channel.expected_shift == pytest.approx(0.001, rel=1e-3)
    assert channel.scale == pytest.approx(channel.expected_scale)
    assert report.divergence.where.line == 9
    error = failure(report)
    assert 'layer "scale" (Scale)' in str(error)
    assert error.report is report


def test_a_layer_is_judged_alone_too(tmp_path):
    blobs = weights()
    blobs["conv"] = [blobs["conv"][0] * 3e4]  # rounding noise of the convolution buries the BatchNorm's shift
    blobs["bn"][1] = np.full(4, 1e-3)
    conversion, path = converted(tmp_path, CLASSIFIER, blobs)
    report = conversion.verify(path)
    assert report.verdict == "proven"
    assert all(blob.alone is not None and blob.alone.passed for blob in report.blobs)


def test_only_the_first_wrong_layer_is_accused(tmp_path):
    conversion, path = converted(tmp_path)

    def two(model: onnx.ModelProto) -> None:
        change(node(model, "Conv").input[1], lambda v: v * 1.5)(model)
        change(node(model, "BatchNormalization").input[2], lambda v: v + 1)(model)

    report = conversion.verify(damaged(path, two))
    assert report.divergence is not None
    assert report.divergence.where.layer == "conv"


def test_a_file_that_does_not_run_is_a_failure(tmp_path):
    conversion, path = converted(tmp_path)

    def damage(model: onnx.ModelProto) -> None:
        node(model, "Conv").op_type = "Convolute"

    report = conversion.verify(damaged(path, damage))
    assert report.verdict == "failed"
    assert "cannot load" in report.checks[0].what


def test_a_dynamic_batch_is_run_in_several_sizes(tmp_path):
    conversion, path = converted(tmp_path, batch="dynamic")
    report = conversion.verify(path)
    assert report.verdict == "proven"
    shapes = [feed.split("data ")[1] for feed in report.feeds]
    assert shapes[:4] == ["3×3×9×7", "2×3×9×7", "1×3×9×7", "3×3×9×7"]


def test_another_seed_gives_other_inputs(tmp_path):
    conversion, path = converted(tmp_path)
    ratios = {conversion.verify(path, Options(seed=seed)).worst.ratio for seed in (0, 0, 1)}
    assert len(ratios) == 2


def test_numbers_of_the_user_take_the_place_of_the_noise(tmp_path):
    conversion, path = converted(tmp_path)
    other = damaged(path, lambda m: change(node(m, "BatchNormalization").input[2], lambda v: v + 1e-4)(m))
    assert not conversion.verify(other).passed
    assert conversion.verify(other, Options(rule=Rule(atol=0.01, rtol=0.01))).passed


def test_inputs_of_the_user(tmp_path):
    conversion, path = converted(tmp_path)
    x = np.random.default_rng(0).normal(size=(3, 9, 7))
    report = conversion.verify(path, Options(inputs={"data": x}))
    assert report.feeds == ("given: data 1×3×9×7",)
    assert report.verdict == "proven"
    with pytest.raises(UsageError, match="needs 1×3×9×7"):
        conversion.verify(path, Options(inputs={"data": x[:, 1:]}))


def test_expected_outputs(tmp_path):
    conversion, path = converted(tmp_path)
    x = np.random.default_rng(0).normal(size=(1, 3, 9, 7)).astype(np.float32)
    right = conversion.verify(path, Options(inputs={"data": x}))
    assert right.passed
    expected = np.full((1, 5), 0.2, np.float32)
    report = conversion.verify(path, Options(inputs={"data": x}, expect={"prob": expected, "other": expected}))
    assert report.verdict == "failed"
    assert [check.status for check in report.checks] == ["fail", "fail"]
    with pytest.raises(UsageError, match="need the inputs"):
        conversion.verify(path, Options(expect={"prob": expected}))


JUMPING = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 6 dim: 7 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "drop" }
layer { name: "max" type: "ArgMax" bottom: "drop" top: "max" argmax_param { axis: 1 } }
layer { name: "step" type: "Threshold" bottom: "drop" top: "step" threshold_param { threshold: 0.1 } }
layer { name: "twice" type: "Power" bottom: "step" top: "twice" power_param { scale: 2 shift: 1 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
"""


def jumping_weights() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return {"conv": [rng.normal(size=(5, 6, 3, 3)), rng.normal(size=5)]}


def test_layers_that_jump_are_judged_on_their_own_bottoms(tmp_path):
    conversion, path = converted(tmp_path, JUMPING, jumping_weights())
    report = conversion.verify(path)
    assert report.verdict == "proven"
    assert {b.name for b in report.blobs if b.jumps} == {"max", "step", "pool", "mask"}
    assert {o.name for o in report.outputs} == {"max", "twice", "pool", "mask"}


def test_a_wrong_index_is_found(tmp_path):
    conversion, path = converted(tmp_path, JUMPING, jumping_weights())
    report = conversion.verify(damaged(path, lambda m: change_threshold(m)))
    assert report.verdict == "failed"
    assert report.divergence is not None
    assert report.divergence.where.layer == "step"


def change_threshold(model: onnx.ModelProto) -> None:
    node_ = node(model, "Greater")
    change(node_.input[1], lambda v: v + 1)(model)


CONSTANT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 7 } } }
layer { name: "none" type: "Power" bottom: "data" top: "none" power_param { scale: 0 shift: 3 } }
"""


def test_a_constant_output_proves_nothing(tmp_path):
    conversion, path = converted(tmp_path, CONSTANT, {})
    report = conversion.verify(path)
    assert [o.status for o in report.outputs] == ["no proof", "no proof"]
    assert report.outputs[0].note == "constant: 3 everywhere"


def test_a_saturated_output_proves_nothing_but_what_is_before_it_does(tmp_path):
    blobs = weights()
    blobs["fc"] = [blobs["fc"][0], np.array([0, 9e4, 0, 0, 0])]
    conversion, path = converted(tmp_path, CLASSIFIER, blobs)
    report = conversion.verify(path)
    assert {o.status for o in report.outputs} == {"no proof"}
    assert "saturated" in report.outputs[0].note
    assert report.verdict == "proven"


def test_weights_beside_the_model(tmp_path: Path):
    conversion, path = converted(tmp_path)
    conversion.save(path, weights="external", verify=False)
    assert conversion.verify(path).verdict == "proven"
