"""What single rules find, beyond their fixtures, and nets that cannot be understood to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import parse_net
from caffe_bn_convert.lint.check import Report, lint
from caffe_bn_convert.lint.context import Request
from tests.lint.weights import FACTOR, Weights, statistics
from tests.nets import input_layer, layer, write_net

if TYPE_CHECKING:
    from pathlib import Path

HEAD = input_layer(2, 3, 7, 9)


def check(*layers: str, request: Request | None = None, head: str = HEAD) -> Report:
    return lint(parse_net(head + "".join(layers)), request)


def codes(*layers: str, head: str = HEAD, request: Request | None = None) -> list[str]:
    return [finding.code for finding in check(*layers, head=head, request=request).findings]


def said(code: str, *layers: str, request: Request | None = None) -> list[str]:
    return [finding.what for finding in check(*layers, request=request).findings if finding.code == code]


def weights(folder: Path, blobs: Weights) -> Request:
    path = write_net(folder, "", blobs)[1]
    assert path is not None
    return Request((caffemodel.read(path),))


class TestUnknownThings:
    def test_shapes_behind_an_unknown_type_are_unknown(self) -> None:
        pool = layer("Pooling", "pool", "mine", rest="pooling_param { kernel_size: 30 }")
        assert codes(layer("Mine", "mine", rest="mine_param { a: 1 }"), pool) == ["NET015"]

    def test_statistics_behind_an_unknown_type_are_looked_at(self, tmp_path: Path) -> None:
        request = weights(tmp_path, {"bn": statistics([1.0, 2.0, 3.0], 0.0)})
        assert "BN001" in codes(layer("Mine", "mine"), layer("BatchNorm", "bn", "mine"), request=request)

    def test_a_net_that_no_rule_can_read(self) -> None:
        report = lint(parse_net('layer { name: "a" type: "ReLU" } layers { name: "b" type: RELU }'))
        assert [finding.code for finding in report.findings] == ["NET016"]

    def test_an_empty_net(self) -> None:
        assert lint(parse_net("")).findings == ()

    def test_a_layer_without_anything(self) -> None:
        assert codes("layer { }") == ["NET007", "NET015"]


class TestBatchNorm:
    def test_in_place(self) -> None:
        bn = layer("BatchNorm", "bn", "first", "first")
        scale = layer("Scale", "scale", "first", "first", "scale_param { bias_term: true }")
        assert codes(layer("TanH", "first"), bn, scale, layer("ReLU", "relu", "first", "first")) == []

    def test_a_bias_stands_for_a_scale(self) -> None:
        assert codes(layer("BatchNorm", "bn"), layer("Bias", "bias", "bn"), layer("ReLU", "relu", "bias")) == []

    def test_a_bias_behind_a_scale(self) -> None:
        assert codes(layer("BatchNorm", "bn"), layer("Scale", "scale", "bn"), layer("Bias", "bias", "scale")) == []

    def test_the_phase_of_a_layer(self) -> None:
        assert "BN004" in codes(layer("BatchNorm", "bn", rest="phase: TRAIN"))
        assert "BN004" not in codes(layer("BatchNorm", "bn", rest="phase: TEST"))

    def test_the_batchnorm_of_a_fork_may_learn(self) -> None:
        rest = "param { lr_mult: 1 } batch_norm_param { scale_bias: true }"
        assert "BN005" not in codes(layer("BatchNorm", "bn", rest=rest))
        assert "BN005" not in codes(layer("BatchNorm", "bn", rest="param { lr_mult: 1 } " * 5))

    def test_in_phase_train(self) -> None:
        bn = layer("BatchNorm", "bn", rest="batch_norm_param { use_global_stats: false }")
        assert codes(bn, request=Request(phase="TRAIN")) == ["BN003"]

    def test_iterations(self, tmp_path: Path) -> None:
        factor = sum(0.999**i for i in range(100))
        request = weights(tmp_path, {"bn": statistics([1.0, 2.0, 3.0], factor)})
        (what,) = said("BN014", layer("BatchNorm", "bn"), request=request)
        assert what.endswith("that is after 100 iterations")

    def test_another_fraction(self, tmp_path: Path) -> None:
        request = weights(tmp_path, {"bn": statistics([1.0, 2.0, 3.0], 5000)})
        (what,) = said("BN014", layer("BatchNorm", "bn"), request=request)
        assert what.endswith("with a fraction of at least 0.9998")

    @pytest.mark.parametrize("factor", [1.0, FACTOR, 950.0])
    def test_settled(self, tmp_path: Path, factor: float) -> None:
        request = weights(tmp_path, {"bn": statistics([1.0, 2.0, 3.0], factor)})
        assert said("BN014", layer("BatchNorm", "bn"), request=request) == []

    def test_the_channel_is_named(self, tmp_path: Path) -> None:
        request = weights(tmp_path, {"bn": statistics([1.0, 2.0, 1e-8])})
        (what,) = said("BN017", layer("BatchNorm", "bn"), request=request)
        assert "1 of 3 channels" in what
        assert "channel 2 with 1e-08" in what

    def test_scale_before_the_factor(self) -> None:
        scale = layer("Scale", "scale", "data bn", "scale")  # the normalised values are the factor, not what is scaled
        assert "BN003" in codes(layer("BatchNorm", "bn"), scale)


class TestWiring:
    def test_a_blob_of_another_phase(self) -> None:
        first = layer("ReLU", "first", rest="include { phase: TRAIN }")
        (what,) = said("NET011", first, layer("TanH", "tanh", "first"))
        assert what.endswith('layer "first" makes it, but does not exist in phase TEST')

    def test_an_unknown_bottom_is_reported_once(self) -> None:
        assert codes(layer("TanH", "a", "x"), layer("TanH", "b", "x")) == ["NET007", "NET011"]

    def test_in_place_by_position(self) -> None:
        two = layer("Eltwise", "sum", "data a", "a")
        assert "NET010" in codes(layer("TanH", "a"), two)

    @pytest.mark.parametrize("operation", ["SUM", "PROD", "MAX"])
    def test_eltwise_in_place(self, operation: str) -> None:
        rest = f"eltwise_param {{ operation: {operation} }}"
        layers = layer("TanH", "a"), layer("Eltwise", "sum", "a data", "a", rest)
        assert codes(*layers) == ([] if operation == "PROD" else ["NET005"])

    @pytest.mark.parametrize("type_", ["Flatten", "Reshape", "AbsVal", "LRN", "Permute"])
    def test_layers_that_cannot_work_in_place(self, type_: str) -> None:
        assert "NET005" in codes(layer("TanH", "a"), layer(type_, "b", "a", "a"))

    @pytest.mark.parametrize("type_", ["ReLU", "Dropout", "Scale", "BatchNorm", "Power", "Softmax", "Sigmoid"])
    def test_layers_that_can(self, type_: str) -> None:
        assert "NET005" not in codes(layer("TanH", "a"), layer(type_, "b", "a", "a"))

    def test_names_in_different_phases_do_not_collide(self) -> None:
        layers = [layer("ReLU", "a", rest=f"include {{ phase: {phase} }}") for phase in ("TRAIN", "TEST")]
        assert codes(*layers) == []


class TestFields:
    def test_did_you_mean(self) -> None:
        (what,) = said("NET003", layer("Pooling", "pool", rest="pooling_param { kernel_sise: 3 kernel_size: 3 }"))
        assert what.endswith('did you mean "kernel_size"?')

    def test_outside_layers(self) -> None:
        assert codes('naem: "net"\n', layer("ReLU", "relu")) == ["NET003"]


class TestNumbers:
    def test_shared_blobs_are_reported_once(self, tmp_path: Path) -> None:
        spec = 'inner_product_param { num_output: 5 bias_term: false } param { name: "w" }'
        layers = layer("InnerProduct", "a", rest=spec), layer("InnerProduct", "b", rest=spec)
        matrix = np.full((5, 189), 0.5)
        matrix[2] = np.inf
        assert codes(*layers, request=weights(tmp_path, {"a": [matrix]})) == ["WGT001"]

    def test_a_matrix_the_other_way_round_has_no_rows(self, tmp_path: Path) -> None:
        spec = "inner_product_param { num_output: 5 bias_term: false transpose: true }"
        matrix = np.full((189, 5), 0.5)
        matrix[2] = 0
        assert codes(layer("InnerProduct", "a", rest=spec), request=weights(tmp_path, {"a": [matrix]})) == []

    def test_a_dead_factor(self, tmp_path: Path) -> None:
        request = weights(tmp_path, {"a": [np.array([1.0, 0.0, 3.0])]})
        (what,) = said("WGT003", layer("Scale", "a"), request=request)
        assert what.startswith("1 of 3 output channels") and what.endswith(": 1")

    def test_random_fillers_are_missing_weights(self, tmp_path: Path) -> None:
        spec = 'inner_product_param { num_output: 5 weight_filler { type: "xavier" } }'
        assert codes(layer("InnerProduct", "a", rest=spec), request=weights(tmp_path, {"b": [np.ones(2)]})) == [
            "NET013",
            "NET001",
        ]


def test_training_nets_that_deploy_nets_may_differ_from(tmp_path: Path) -> None:
    train = tmp_path / "train.prototxt"
    train.write_text(
        HEAD
        + layer(
            "Convolution",
            "conv",
            rest='convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "msra" } }',
        )
        + layer("Dropout", "drop", "conv", rest="dropout_param { dropout_ratio: 0.3 }")
    )
    conv = layer("Convolution", "conv", rest="convolution_param { num_output: 5 kernel_size: 3 stride: 1 }")
    (what,) = said("NET017", conv, layer("Dropout", "drop", "conv"), request=Request(train=train))
    assert what == "convolution_param.stride is [1], but [] in the training net"


def test_of_several_layers_with_one_name_the_closest_counts(tmp_path: Path) -> None:
    train = tmp_path / "train.prototxt"
    pools = [f"include {{ phase: {p} }} pooling_param {{ kernel_size: {k} }}" for p, k in (("TRAIN", 3), ("TEST", 5))]
    train.write_text(HEAD + "".join(layer("Pooling", "pool", rest=rest) for rest in pools))
    request = Request(train=train)
    assert said("NET017", layer("Pooling", "pool", rest=pools[1]), request=request) == []
    assert said("NET017", layer("Pooling", "pool", rest=pools[1].replace("5", "4")), request=request) != []
