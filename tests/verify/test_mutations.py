"""A reduced run of ``bench/mutations.py``: damage to small nets, one of every kind to each, and what the proof says."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.paths import FIXTURES, ROOT

if not (ROOT / "bench").is_dir():
    pytest.skip("the harness is not part of an installation", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from bench.damage import KINDS
from bench.false_alarms import proven
from bench.subjects import Subject, file_of
from bench.trial import differs, judged, tried

NETS = {
    "BatchNorm/eltwise_bn_scale": (),
    "BatchNorm/2d_minibatch": ("eps × 10",),
    "Convolution/dilation_hw": ("dilation",),
    "Convolution/group2": ("group",),
    "Convolution/pad_w_only": ("pad_h and pad_w swapped", "an initializer scaled by 1 %"),
    "Convolution/k1_s2": ("stride", "two channels swapped"),
    "Eltwise/coeff3": ("Eltwise's coefficient lost", "two edges crossed"),
    "LRN/across_strong": ("LRN's k lost",),
    "Pooling/ave_k3s2_pad1": ("divisor of an average",),
    "Softmax/axis_m1": ("axis off by one",),
}
LEFT_OUT = ("layer left out, its value is its bottom", "layer left out, its readers read its bottom")
OF_DIGITS = (
    "mean and variance swapped", "beta 0.001 too large", "factor ignored", "ReLU's slope lost", *LEFT_OUT,
)  # fmt: skip


def subject(name: str) -> Subject:
    return Subject(name, FIXTURES / "golden" / name if "/" in name else FIXTURES / name)


@pytest.mark.parametrize(("name", "kinds"), [*NETS.items(), ("digits", OF_DIGITS)], ids=[*NETS, "digits"])
def test_damage_is_caught_and_the_right_layer_is_named(tmp_path, name, kinds):
    found = tried(subject(name), tmp_path, kinds or list(KINDS), seed=0, most=3)
    assert not isinstance(found, str), found
    effective = {one.kind: one for one in found if one.effect == "effective"}
    assert effective
    for one in judged(subject(name), tmp_path, list(effective.values())):
        assert one.caught, one
        assert one.right, one
        assert not one.control, one


def test_a_sound_file_is_no_false_alarm(tmp_path):
    assert [alarm.verdict for alarm in proven(subject("digits"), tmp_path, range(1, 4))] == ["proven"] * 3


def test_every_kind_is_listed_for_some_net(tmp_path):
    conversion = subject("digits").converted()
    conversion.save(tmp_path / "digits.onnx", verify=False)
    file = file_of(conversion, tmp_path / "digits.onnx")
    listed = {kind for kind, damages in KINDS.items() if next(damages(file), None)}
    assert set(OF_DIGITS) - {"ReLU's slope lost"} <= listed
    assert "LRN's k lost" not in listed


def test_the_bound_of_real_caffe():
    z = np.array([[1.0, 1000.0]])
    assert not differs(z, z)
    assert not differs(z + np.array([[0.01, 0.1]]), z)
    assert differs(z + np.array([[0.02, 0.0]]), z)
    assert differs(z * np.nan, z)
    assert differs(z.T, z)
