"""Which opsets there are, and what is said where the installed packages are too old for one."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert import ProviderError, UsageError
from caffe_bn_convert.cli import run as command
from caffe_bn_convert.export.opsets import MAX_OPSET, check_opset
from caffe_bn_convert.layers.base import Layer
from caffe_bn_convert.verify.runtime import Session, resolve
from caffe_bn_convert.verify.runtime.kernels import lack
from tests.nets import input_layer, layer, write_net
from tests.opsets import NEWEST, installed

ORT = ort.__version__
PLUGIN = """
from tests.export.test_opsets import Peak, peak

LAYERS = {"Peak": Peak}
ORACLE = {"Peak": peak}
"""


@dataclass(frozen=True, slots=True)
class Peak(Layer):
    """The first image's maxima by MaxRoiPool, for which onnxruntime has a kernel up to opset 21."""

    @classmethod
    def read(cls, source):
        return cls()

    def shapes(self, bottoms):
        return ((1, bottoms[0][1], 1, 1),)

    def emit(self, e, x, w):
        height, width = x[0].shape[2:]
        rois = e.constant([[0, 0, 0, width - 1, height - 1]], "rois")
        return [e.op("MaxRoiPool", x[0].name, rois, pooled_shape=[1, 1])]


def peak(layer, bottoms, blobs):
    return [bottoms[0][:1].max(axis=(2, 3), keepdims=True)]


@pytest.fixture
def net(tmp_path):
    return write_net(tmp_path, input_layer(2, 3, 7, 9) + layer("Peak", "peak") + layer("ReLU", "y", "peak"))[0]


def converted(net, **options):
    return cbc.convert(net, layers=cbc.LAYERS | {"Peak": Peak}, oracle={"Peak": peak}, **options)


def test_max_opset_is_the_newest_that_the_installed_packages_run():
    """Fails with a release that knows more: raise MAX_OPSET, and see that every layer still has its kernels."""
    if installed() < MAX_OPSET and (old := _older_than_measured()):
        pytest.skip(f"{old} ends at opset {installed()}")
    assert installed() == MAX_OPSET


def _older_than_measured():
    for package, measured in ((onnx, (1, 23)), (ort, (1, 32))):
        if tuple(map(int, package.__version__.split(".")[:2])) < measured:
            return f"{package.__name__} {package.__version__}"
    return None


@pytest.mark.parametrize("opset", [0, 12, MAX_OPSET + 1, "17"])
def test_out_of_range(opset):
    with pytest.raises(UsageError, match=rf"opset {opset} is not supported; choose one from 13 to \d\d"):
        check_opset(opset)


def test_newer_than_the_installed_onnx(monkeypatch):
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 20)
    with pytest.raises(UsageError, match=r"opset 21 is newer than onnx [\d.]+, which knows opsets up to 20"):
        check_opset(21)


@pytest.mark.parametrize(("field", "number", "words"), [("opset", 99, "runs opsets of ai.onnx up to"),
                                                        ("ir_version", 999, "reads files up to IR version")])  # fmt: skip
def test_a_file_that_is_too_new_for_onnxruntime(tmp_path, field, number, words):
    (prototxt, _), path = write_net(tmp_path, input_layer(2, 3) + layer("ReLU", "y")), tmp_path / "new.onnx"
    model = cbc.convert(prototxt).to_onnx()
    if field == "opset":
        model.opset_import[0].version = number
    else:
        model.ir_version = number
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ProviderError, match=rf"^onnxruntime {ORT} {words} \d+\n  try a newer onnxruntime$"):
        Session(path, resolve(), optimised=False)


def test_an_error_about_something_else():
    assert lack(ValueError("[ONNXRuntimeError] : 1 : FAIL : Type Error")) is None


@pytest.mark.skipif(NEWEST < 22, reason="onnx or onnxruntime here ends below opset 22")
class TestAKernelThatIsMissing:
    HINT = "the highest opset that works here is 21: add --opset 21, or try a newer onnxruntime"

    def test_the_refusal_names_the_highest_opset_that_works(self, tmp_path, net):
        with pytest.raises(ProviderError) as caught:
            converted(net, opset=NEWEST).save(tmp_path / "out.onnx", verify=True)
        what = f'onnxruntime {ORT} has no kernel for MaxRoiPool as it is since opset 22 (node "peak")'
        assert str(caught.value) == f"{what}\n  {self.HINT}"
        assert not (tmp_path / "out.onnx").exists()

    def test_it_does_work(self, tmp_path, net):
        converted(net, opset=21).save(tmp_path / "out.onnx", verify=True)
        assert (tmp_path / "out.onnx").exists()

    def test_in_float16(self, net):
        with pytest.raises(ProviderError, match="the highest opset that works here is 21"):
            _ = converted(net, opset=22, precision="float16-weights").losses

    def test_where_the_node_needs_no_kernel_here(self, tmp_path, net):
        converted(net, opset=NEWEST).save(tmp_path / "out.onnx", verify=False)
        assert (tmp_path / "out.onnx").exists()

    def test_the_command(self, tmp_path, net, capsys):
        plugin, out = tmp_path / "peak.py", tmp_path / "out.onnx"
        plugin.write_text(PLUGIN)
        assert command([str(net), "--plugin", str(plugin), "-o", str(out), "--opset", "22"]) == 6
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert said.endswith(f"{self.HINT}\n")
