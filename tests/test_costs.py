"""What a conversion costs, counted instead of timed: bytes, allocations, calls, imports."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.caffe import blob, opening
from caffe_bn_convert.export import writer

from .nets import write_net
from .paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
LARGE = """
name: "large"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 20000 } }
"""
FLAT = 5 * 5 * 7
NUMBERS = 20000 * FLAT
BLOCK = """
layer { name: "conv%d" type: "Convolution" bottom: "%s" top: "conv%d" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "bn%d" type: "BatchNorm" bottom: "conv%d" top: "conv%d" }
layer { name: "scale%d" type: "Scale" bottom: "conv%d" top: "conv%d" }
layer { name: "relu%d" type: "ReLU" bottom: "conv%d" top: "conv%d" }
"""


def statistics(channels: int) -> list[np.ndarray]:
    return [np.zeros(channels), np.ones(channels), np.ones(1)]


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, Path]:
    """A net with one matrix of 13 MiB, and BatchNorm."""
    weights = {
        "conv": [np.ones((5, 3, 3, 3)), np.ones(5)],
        "bn": statistics(5),
        "scale": [np.ones(5), np.ones(5)],
        "ip": [np.ones((20000, FLAT)), np.ones(20000)],
    }
    prototxt, caffemodel = write_net(tmp_path, LARGE, weights)
    assert caffemodel is not None
    return prototxt, caffemodel


def chain(folder: Path, blocks: int) -> tuple[Path, Path]:
    """A net of four layers a block."""
    folder.mkdir()
    text = 'name: "chain"\nlayer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }'
    weights: dict[str, list[np.ndarray]] = {}
    for i in range(blocks):
        bottom = f"conv{i - 1}" if i else "x"
        text += BLOCK % (i, bottom, *(i,) * 10)
        weights |= {f"conv{i}": [np.ones((3, 3, 1, 1)), np.ones(3)], f"bn{i}": statistics(3), f"scale{i}": [np.ones(3)]}
    prototxt, caffemodel = write_net(folder, text, weights)
    assert caffemodel is not None
    return prototxt, caffemodel


def convert(prototxt: Path, caffemodel: Path, mode: str = "embed", provenance: str = "none") -> Path:
    target = caffemodel.with_name("out.onnx")
    cbc.convert(prototxt, caffemodel).save(target, mode, provenance=provenance, verify=False)
    return target


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Bytes that are decoded (read as numbers) and bytes that go through Python on their way to a file."""
    found: Counter[str] = Counter()
    read, out = blob.read_exactly, writer._Buffered._out

    def reading(file, offset, length):
        if sys._getframe(1).f_code.co_name == "_span_parts":
            found["decoded"] += length
        return read(file, offset, length)

    def writing(self, data):
        found["copied"] += len(data)
        out(self, data)

    monkeypatch.setattr(blob, "read_exactly", reading)
    monkeypatch.setattr(writer._Buffered, "_out", writing)
    return found


def test_only_batchnorm_is_decoded(large, monkeypatch) -> None:
    counts = counted(monkeypatch)
    target = convert(*large)
    once = 4 * (5 + 5 + 1)
    assert counts["decoded"] <= 3 * once, "the statistics, looked at by rules and folded; nothing else"
    assert counts["copied"] == target.stat().st_size, "each byte of the file is handed over once"


@pytest.mark.parametrize("mode", ["external", "in-place"])
def test_each_way_of_keeping_weights_copies_no_more_than_it_must(mode: str, large, monkeypatch) -> None:
    counts = counted(monkeypatch)
    target = convert(*large, mode=mode)
    written = [target, *target.parent.glob("out.onnx.*.data")]
    assert counts["copied"] == sum(path.stat().st_size for path in written)
    assert (counts["copied"] < 100_000) == (mode == "in-place")


@pytest.mark.parametrize("mode", ["embed", "external", "in-place"])
@pytest.mark.parametrize("provenance", ["none", "sha256"])
def test_memory_does_not_grow_with_the_weights(mode: str, provenance: str, large) -> None:
    convert(*large)  # what is imported and cached is not counted
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        convert(*large, mode=mode, provenance=provenance)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert 4 * NUMBERS > 13 * MIB
    assert peak < 3 * MIB, "two chunks, and the graph"


def calls(prototxt: Path, caffemodel: Path) -> Counter[str]:
    """Calls of Python functions in our package, by name."""
    found: Counter[str] = Counter()

    def profile(frame, event, _argument) -> None:
        if event == "call" and "caffe_bn_convert" in frame.f_code.co_filename:
            found[frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name] += 1

    sys.setprofile(profile)
    try:
        convert(prototxt, caffemodel)
    finally:
        sys.setprofile(None)
    return found


def test_work_is_linear_in_the_layers(tmp_path) -> None:
    nets = [chain(tmp_path / str(blocks), blocks) for blocks in (5, 25, 45)]
    convert(*nets[0])
    few, some, many = (sum(calls(*net).values()) for net in nets)
    assert many - some <= 1.02 * (some - few), "twenty blocks more cost the same, however many there are"
    per_layer = (many - some) / 80
    assert per_layer < 450, f"{per_layer:.0f} calls a layer"


def test_weights_are_opened_once_for_reading_and_once_for_writing(tmp_path, monkeypatch) -> None:
    prototxt, caffemodel = chain(tmp_path / "net", 20)
    opened: list[Path] = []
    monkeypatch.setattr(opening, "open_raw", lambda path, once=opening.open_raw: opened.append(path) or once(path))
    convert(prototxt, caffemodel)
    assert opened == [caffemodel] * 2, "whatever the number of blobs"


def test_every_stage_runs_once(tmp_path) -> None:
    counts = calls(*chain(tmp_path / "net", 3))
    once = (
        "read_net",
        "locate",
        "build",
        "drop_unread",
        "drop_identity",
        "fold_batchnorm",
        "emit",
        "check",
        "write_model",
    )
    for name in once:
        both = counts[name] if hasattr(calls.__code__, "co_qualname") else min(counts[name], 1)
        assert both == 1, (name, both)


PROGRAM = """
import sys
from caffe_bn_convert.cli import run
code = run(sys.argv[1:])
print(code, *sorted(name for name in sys.modules if name.split(".")[0] in {heavy}))
"""


def imported(*arguments: str) -> tuple[int, set[str]]:
    """Exit code of a command in a process of its own, and what it imported of the packages that take long."""
    heavy = {"numpy", "onnx", "onnxruntime", "h5py", "PIL", "caffe_bn_convert"}
    program = PROGRAM.replace("{heavy}", repr(heavy))
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
    code, *modules = done.stdout.splitlines()[-1].split()
    return int(code), set(modules)


@pytest.mark.parametrize("arguments", [["--help"], ["convert", "--help"], ["convert"], ["convert", "--no-such-option"]])
def test_help_and_mistakes_import_nothing_heavy(arguments: list[str]) -> None:
    code, modules = imported("--no-config", *arguments)
    assert code == (0 if "--help" in arguments else 2)
    assert not modules & {"numpy", "onnx", "onnxruntime", "h5py", "PIL"}


def test_layers_needs_neither_onnx_nor_a_runtime() -> None:
    code, modules = imported("--no-config", "layers")
    assert code == 0
    assert not modules & {"onnx", "onnxruntime", "h5py", "PIL"}


def test_a_conversion_imports_what_it_needs(tmp_path) -> None:
    digits = FIXTURES / "digits"
    files = [str(digits / "deploy.prototxt"), str(digits / "digits.caffemodel")]
    code, modules = imported("--no-config", "convert", *files, "-o", str(tmp_path / "out.onnx"), "--no-verify")
    assert code == 0
    assert not modules & {"onnxruntime", "h5py", "PIL"}
    ours = {name for name in modules if name.startswith("caffe_bn_convert.")}
    assert not {name for name in ours if name.startswith(("caffe_bn_convert.verify", "caffe_bn_convert.deploy"))}
    assert not ours & {f"caffe_bn_convert.layers.{name}" for name in ("recurrent", "detect", "roi", "resample", "loss")}
    for_options = ("lint.rules", "layers.catalogue", "net.dialects", "net.passes.fold_into_conv", "preprocessing")
    assert not ours & {f"caffe_bn_convert.{name}" for name in (*for_options, "net.custom", "export.half", "config")}
