from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from caffe_bn_convert import ProviderError, VerificationError
from caffe_bn_convert.verify import Options
from caffe_bn_convert.verify.runtime import ExposedModel, Session, resolve
from caffe_bn_convert.verify.runtime.providers import EXACT, Provider
from tests.verify.damage import converted

CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def has(provider: str) -> bool:
    try:
        return bool(resolve(provider))
    except ProviderError:
        return False


def test_inner_values_are_shown(tmp_path):
    _conversion, path = converted(tmp_path)
    model = ExposedModel.of(path, {"conv", "pool", "nothing", "data"}, ())
    assert model.values == ("conv", "pool")
    session = Session(model, resolve(), optimised=False)
    values = session.run({"data": np.ones((1, 3, 9, 7), np.float32)}, ["pool", "conv", "prob"])
    assert {name: value.shape for name, value in values.items()} == {
        "pool": (1, 4, 5, 4),
        "conv": (1, 4, 9, 7),
        "prob": (1, 5),
    }


def test_inner_values_of_a_model_with_weights_beside_it(tmp_path, monkeypatch):
    conversion, path = converted(tmp_path)
    conversion.save(path, weights="external", verify=False)
    monkeypatch.chdir("/")
    session = Session(ExposedModel.of(path, {"conv"}, ()), resolve(), optimised=True)
    assert session.run({"data": np.ones((1, 3, 9, 7), np.float32)}, ["conv"])["conv"].shape == (1, 4, 9, 7)


def test_who_ran_what(tmp_path):
    _, path = converted(tmp_path)
    assignment = Session(path, resolve(), optimised=False).assignment()
    if assignment:  # releases from 1.24 on tell
        assert set(assignment) == {"CPUExecutionProvider"}
        assert len(assignment["CPUExecutionProvider"]) == 8


@pytest.mark.parametrize("name", ["rocm", "migraphx", "MadeUpExecutionProvider"])
def test_a_provider_that_is_not_there_is_an_error(name):
    with pytest.raises(ProviderError, match="has no provider"):
        resolve(name)


def test_what_is_no_model(tmp_path):
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no model at all")
    with pytest.raises(VerificationError, match="cannot load"):
        Session(path, resolve(), optimised=False)


def test_full_precision_is_asked_for():
    assert EXACT["cuda"]["use_tf32"] == "0"
    assert resolve("CPUExecutionProvider") == resolve("cpu")


def test_a_provider_with_its_own_defaults():
    proving = Provider("cuda", "CUDAExecutionProvider", 1, EXACT["cuda"] | {"device_id": "1"})
    users = proving.with_defaults()
    assert (users.options, users.exact) == ({"device_id": "1"}, False)
    assert (users.title, users.device) == (proving.title, proving.device)


def test_the_defaults_have_a_session_of_their_own_that_is_not_judged(tmp_path, monkeypatch):
    conversion, path = converted(tmp_path)
    ran = []

    def run(session: Session, *args, _run=Session.run):
        ran.append(session.provider.exact)
        values = _run(session, *args)
        return values if session.provider.exact else {name: value + np.float32(0.25) for name, value in values.items()}

    monkeypatch.setattr(Session, "run", run)
    report = conversion.verify(path, Options(provider_defaults=True))
    assert report.verdict == "proven"
    assert False in ran
    [check] = report.checks
    assert (check.name, check.status) == ('CPUExecutionProvider with its own defaults, output "prob"', "pass")
    assert check.what.startswith("is off by up to 0.25, beside numbers up to ")


@pytest.mark.cuda
@pytest.mark.skipif(not CUDA, reason="needs an NVIDIA GPU and onnxruntime-gpu")
def test_the_proof_on_a_gpu(tmp_path):
    conversion, path = converted(tmp_path)
    report = conversion.verify(path, Options(provider="cuda", provider_defaults=True))
    assert report.verdict == "proven"
    assert report.checks[0].what == "CUDAExecutionProvider ran every node"
    assert report.checks[1].name == 'CUDAExecutionProvider with its own defaults, output "prob"'
    assert report.checks[1].what.startswith("is off by up to ")


@pytest.mark.skipif(not has("openvino"), reason="needs onnxruntime-openvino or its plug-in")
def test_the_proof_on_a_second_provider(tmp_path):
    conversion, path = converted(tmp_path)
    report = conversion.verify(path, Options(provider="openvino"))
    assert report.verdict == "proven"
    assert report.checks[0].what == "OpenVINOExecutionProvider ran every node"
