"""The oracle alone against real Caffe: every case, in float64 and float32."""

from __future__ import annotations

import numpy as np
import pytest
from tests.paths import FIXTURES, SHARED, needs_shared

from caffe_bn_convert.caffe import caffemodel, hdf5
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.net.weights import locate
from caffe_bn_convert.verify.oracle import run
from caffe_bn_convert.verify.oracle.__main__ import difference, judge, main

GOLDEN = FIXTURES / "golden"

LENIENT = {
    "Legacy/bn_param_lr_nonzero",  # lr_mult is about training
    "PReLU/5d",  # Intel's Caffe takes volumes
    "SoftmaxWithLoss/two_tops_no_weights",  # loss_weight is about training
    "SoftmaxWithLoss/two_tops_weights_refused",
}


def cases(root):
    return [str(path.parent.relative_to(root)) for path in sorted(root.rglob("meta.json"))]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs fixtures/golden")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", cases(GOLDEN))
def test_golden(name, dtype):
    status, why = judge(GOLDEN / name, np.dtype(dtype))
    assert status == ("lenient" if name in LENIENT else "right"), why


@needs_shared
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_nets(dtype):
    wrong = {name: judge(SHARED / "random" / name, np.dtype(dtype)) for name in cases(SHARED / "random")}
    assert {name: why for name, (status, why) in wrong.items() if status != "right"} == {}


@needs_shared
def test_random_detectors():
    """In float32, as Caffe: what NMS keeps depends on the last bit."""
    wrong = {name: judge(SHARED / "random-ssd" / name, np.dtype("float32")) for name in cases(SHARED / "random-ssd")}
    assert {name: why for name, (status, why) in wrong.items() if status != "right"} == {}


@needs_shared
@pytest.mark.parametrize("name", cases(SHARED / "models") if SHARED.is_dir() else [])
def test_real_models(name):
    assert judge(SHARED / "models" / name) == ("right", "")


def test_difference_sees_shapes_and_numbers():
    z = np.array([1, 2, np.nan, -np.inf], np.float32)
    assert not difference(z.astype(np.float64), z)
    assert "shape" in difference(z[None], z)
    assert "NaN" in difference(np.array([1, 2, 3, -np.inf]), z)
    assert "NaN" in difference(np.array([1, np.inf, np.nan, -np.inf]), z)
    assert "off by" in difference(np.array([1, 2.001, np.nan, -np.inf]), z)
    assert not difference(np.zeros((0, 2)), np.zeros((0, 2), np.float32))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs fixtures/golden")
def test_the_command_prints_a_table(capsys):
    assert main([str(GOLDEN), "--only", "Scale/"]) == 0
    assert capsys.readouterr().out == f"{'Scale':28} right 14\n"
    assert main([str(GOLDEN), "--only", "nothing at all"]) == 1


@pytest.mark.parametrize("weights", ["digits.caffemodel", "digits.caffemodel.h5"])
def test_digits(weights):
    folder = FIXTURES / "digits"
    net = filter_state(upgrade(read_net(folder / "deploy.prototxt")), phase="TEST")
    source = (hdf5 if weights.endswith(".h5") else caffemodel).read(folder / weights)
    with np.load(folder / "expected.npz") as expected:
        got = run(net, locate(net, [source]).blobs, {"data": expected["data"]}, keep={"score"})
        assert [difference(got[name], expected[name]) for name in ("prob", "score")] == ["", ""]
        assert (got["prob"].argmax(1) == expected["label"]).mean() > 0.9
