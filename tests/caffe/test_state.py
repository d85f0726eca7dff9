"""Phases, levels and stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import InvalidNetError, UsageError

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "golden" / "Net"

RULES = [
    # rules of the layer, phase, level, stages, whether the layer exists
    ("", "TEST", 0, "", True),
    ("include { }", "TEST", 0, "", True),
    ("exclude { }", "TEST", 0, "", False),
    ("include { phase: TEST }", "TEST", 0, "", True),
    ("include { phase: TRAIN }", "TEST", 0, "", False),
    ("include { phase: TRAIN } include { phase: TEST }", "TEST", 0, "", True),
    ("exclude { phase: TRAIN }", "TEST", 0, "", True),
    ("exclude { phase: TRAIN } exclude { phase: TEST }", "TEST", 0, "", False),
    ("include { min_level: 1 }", "TEST", 0, "", False),
    ("include { min_level: 1 }", "TEST", 1, "", True),
    ("include { max_level: 1 }", "TEST", 1, "", True),
    ("include { max_level: 1 }", "TEST", 2, "", False),
    ("include { min_level: -1 max_level: 0 }", "TEST", 0, "", True),
    ("exclude { min_level: 0 }", "TEST", 0, "", False),
    ("include { stage: 'a' }", "TEST", 0, "", False),
    ("include { stage: 'a' }", "TEST", 0, "a", True),
    ("include { stage: 'a' stage: 'b' }", "TEST", 0, "a", False),
    ("include { stage: 'a' stage: 'b' }", "TEST", 0, "abc", True),
    ("include { not_stage: 'a' }", "TEST", 0, "b", True),
    ("include { not_stage: 'a' not_stage: 'b' }", "TEST", 0, "b", False),
    ("exclude { stage: 'a' }", "TEST", 0, "a", False),
    ("include { phase: TEST stage: 'a' }", "TRAIN", 0, "a", False),
    ("include { phase: TEST stage: 'a' } include { phase: TRAIN }", "TRAIN", 0, "", True),
]


@pytest.mark.parametrize(("rules", "phase", "level", "stages", "exists"), RULES)
def test_rules(rules: str, phase: str, level: int, stages: str, exists: bool) -> None:
    net = parse_net(f"layer {{ name: 'a' }} layer {{ name: 'b' {rules} }} layer {{ name: 'c' }}")
    names = [layer.name for layer in filter_state(net, phase, level, tuple(stages)).layers]
    assert names == (["a", "b", "c"] if exists else ["a", "c"])


@pytest.mark.parametrize(
    ("state", "phase", "expected"),
    [
        ("", None, "TEST"),
        ("state { phase: TRAIN }", None, "TRAIN"),
        ("state { phase: TRAIN }", "TEST", "TEST"),
        ("state { level: 1 }", "TRAIN", "TRAIN"),
    ],
)
def test_phase(state: str, phase: str | None, expected: str) -> None:
    assert phase_of(parse_net(state), phase) == expected


def test_the_nets_own_stages_count_and_its_level_does_not() -> None:
    net = parse_net(
        "state { stage: 'a' level: 5 }"
        "layer { name: 'stages' include { stage: 'a' stage: 'b' } }"
        "layer { name: 'level' include { min_level: 1 } }"
    )
    assert [layer.name for layer in filter_state(net, stages=["b"]).layers] == ["stages"]
    assert [layer.name for layer in filter_state(net, level=1).layers] == ["level"]


def test_nothing_else_changes() -> None:
    net = parse_net("name: 'n' layer { name: 'a' phase: TRAIN include { phase: TEST } }")
    assert filter_state(net) == net


def test_include_and_exclude_together_are_refused() -> None:
    net = parse_net("\nlayer { name: 'a' type: 'ReLU' include { } exclude { } }", "net.prototxt")
    with pytest.raises(InvalidNetError) as caught:
        filter_state(net)
    assert str(caught.value) == (
        'net.prototxt:2: layer "a" (ReLU): the layer has both include and exclude rules\n  Caffe takes either'
    )


def test_unknown_phase() -> None:
    with pytest.raises(UsageError, match="no phase"):
        filter_state(parse_net(""), "DEPLOY")


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("dead_branch", ["data", "t", "p"]),
        ("exclude_phase", ["data", "b", "p"]),
        ("include_phase", ["data", "b", "p"]),
        ("include_phase_train", ["data", "a", "p"]),
        ("layer_phase_field", ["data", "bn"]),
        ("weird_names", ["data/in put", "conv1/x:0", "conv1/x:0_relu", "3"]),
    ],
)
def test_nets_that_caffe_ran(case: str, names: list[str]) -> None:
    meta = json.loads((GOLDEN / case / "meta.json").read_text(encoding="utf-8"))
    net = filter_state(upgrade(read_net(GOLDEN / case / "model.prototxt")), meta["phase"])
    assert [layer.name for layer in net.layers] == names
    tops = {top for layer in net.layers for top in layer.parameter.top}
    assert set(meta["outputs"]) <= tops
