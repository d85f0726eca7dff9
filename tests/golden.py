"""What real Caffe computed: run a converted case of ``fixtures/golden`` and compare; one bound for the whole suite."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest

import caffe_bn_convert as cbc
from tests.opsets import NEWEST
from tests.paths import FIXTURES

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_bn_convert.conversion import Conversion

GOLDEN = FIXTURES / "golden"
OPSETS = (13, 17, NEWEST)
LEVELS = (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)


def cases(*groups: str) -> list[object]:
    """The folders of these groups as parameters of a test; one that skips where they are absent."""
    folders = sorted(folder for group in groups for folder in (GOLDEN / group).glob("*/"))
    if not folders:
        return [pytest.param(GOLDEN, marks=pytest.mark.skip(reason=f"no golden cases of {', '.join(groups)}"))]
    return [pytest.param(folder, id=f"{folder.parent.name}-{folder.name}") for folder in folders]


def run(
    conversion: Conversion, inputs: dict[str, np.ndarray], level: ort.GraphOptimizationLevel = LEVELS[0]
) -> dict[str, np.ndarray]:
    """Every output of the ONNX model by name, computed by onnxruntime on one thread of the CPU."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    options.graph_optimization_level = level
    session = ort.InferenceSession(
        conversion.to_onnx().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {i.name: inputs[i.name] for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))


def values(name: str, *shape: int) -> np.ndarray:
    """Numbers between -1 and 1 that depend on the name and the shape alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).uniform(-1, 1, shape).astype(np.float32)


def assert_close(got: np.ndarray, wanted: np.ndarray, what: str = "") -> None:
    """1e-5 of the largest value for sums that cancel, 1e-4 of each for chains of roundings; NaN and infinities equal."""
    assert got.shape == wanted.shape, what
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite], wanted[~finite], err_msg=what)
    if finite.any():
        y, z = got[finite].astype(np.float64), wanted[finite].astype(np.float64)
        assert np.isfinite(y).all(), what
        excess = np.abs(y - z) - 1e-5 * max(1.0, np.abs(z).max()) - 1e-4 * np.abs(z)
        assert excess.max() <= 0, f"{what}: off by {np.abs(y - z).max():.3g}"


LENIENT = {"PReLU/5d"}
"""BVLC's Caffe refuses these and a fork computes them: volumes in Intel's."""


def check(folder: Path, opset: int) -> None:
    """Convert the case and compare all its outputs with Caffe's; where Caffe refuses the net, so must we."""
    meta = json.loads((folder / "meta.json").read_text())
    weights = next(iter(sorted(folder.glob("weights.caffemodel*"))), None)

    def converted() -> Conversion:
        phase = meta.get("phase", "TEST")
        return cbc.convert(folder / "model.prototxt", weights, phase=phase, allow="all", keep_losses=True, opset=opset)

    if "caffe_refuses" in meta or not (folder / "expected.npz").exists():  # it refuses, or dies without a word
        if f"{folder.parent.name}/{folder.name}" in LENIENT:
            assert converted().verify().passed
            return
        with pytest.raises(cbc.ConversionError):
            converted()
        return
    inputs, expected = dict(np.load(folder / "input.npz")), dict(np.load(folder / "expected.npz"))
    conversion = converted()
    for level in LEVELS:
        got = run(conversion, inputs, level)
        for blob, wanted in expected.items():
            # A blob that is computed in place on an input has the input's name in Caffe; unread inputs are no outputs.
            name = blob if blob not in inputs else next((n for n in got if n.startswith(blob + "/")), None)
            if name is not None:
                assert_close(got.pop(name), wanted, f"{blob} at {level}")
        assert not got, "outputs that Caffe does not have"
