"""One layer of a prototxt, or one of Caffe's cases, computed by the rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import parse_net, read_net
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify.oracle import detect, forks, recurrent, resample, roi
from caffe_bn_convert.verify.oracle.layer import Layer
from caffe_bn_convert.verify.oracle.rules import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.verify.oracle.layer import Array

FAMILIES = (detect, forks, recurrent, resample, roi)
RULES = LAYERS | {name: rule for family in FAMILIES for name, rule in family.LAYERS.items()}
ROOT = Path(__file__).resolve().parents[3]
GOLDEN = (ROOT / "fixtures/golden", ROOT.parent / "shared/golden")


class Apply(Protocol):
    def __call__(
        self, type_: str, text: str, *bottoms: Any, blobs: Any = (), dtype: Any = np.float64, phase: str = "TEST"
    ) -> list[Array]: ...


@pytest.fixture
def apply() -> Apply:
    """``apply("ReLU6", "relu6_param { n: 4 }", x)`` gives the tops."""

    def _apply(
        type_: str, text: str, *bottoms: Any, blobs: Any = (), dtype: Any = np.float64, phase: str = "TEST"
    ) -> list[Array]:
        names = " ".join(f'bottom: "b{index}"' for index in range(len(bottoms)))
        net = parse_net(f'layer {{ name: "it" type: "{type_}" {names} top: "top" {text} }}')
        layer = Layer(net.layers[0].parameter, net.layers[0].text, phase, np.dtype(dtype), 1)
        values = [None if blob is None else np.asarray(blob, np.float32) for blob in blobs]
        return RULES[type_](layer, [np.asarray(bottom, dtype) for bottom in bottoms], values)

    return _apply


def _case(folder: Path, dtype: Any) -> dict[str, Any]:
    net, stored = read_net(folder / "model.prototxt"), {}
    if (folder / "weights.caffemodel").exists():
        layers = caffemodel.read(folder / "weights.caffemodel").layers
        stored = {layer.name: [blob.read().reshape(blob.shape) for blob in layer.blobs] for layer in layers}
    given = folder / "input.npz"
    values = {name: value.astype(dtype) for name, value in np.load(given).items()} if given.exists() else {}
    for layer in net.layers:
        p = layer.parameter
        if p.type == "Input":
            zeros = (np.zeros(shape.dim, dtype) for shape in p.input_param.shape)
            values = dict(zip(p.top, zeros, strict=True)) | values
            continue
        with np.errstate(all="ignore"):
            tops = RULES[p.type](
                Layer(p, layer.text, "TEST", np.dtype(dtype), len(p.top)),
                [values[name] for name in p.bottom],
                stored.get(p.name, []),
            )
        values |= dict(zip(p.top, tops, strict=True))
    return values


def _agrees(folder: Path, dtype: Any, tolerance: float) -> None:
    for name, value in np.load(folder / "expected.npz").items():
        mine = _case(folder, dtype)[name]
        assert mine.shape == value.shape, folder
        # Caffe's sums in float32 are off by a few units in the last place of the largest summand.
        np.testing.assert_allclose(mine, value, rtol=0, atol=tolerance * np.abs(value).max(), err_msg=str(folder))


@pytest.fixture
def golden() -> Callable[[str], None]:
    """``golden("LSTM")`` compares every case of Caffe's in that folder, in float32 and float64."""

    def compare(kind: str, tolerance: float = 5e-7) -> None:
        homes = [folder / kind for folder in GOLDEN if (folder / kind).is_dir()]
        if not homes:
            pytest.skip(f"outputs of real Caffe are not here: {GOLDEN[0] / kind}")
        folders = sorted(homes[0].iterdir())
        assert folders
        for folder in folders:
            if json.loads((folder / "meta.json").read_text()).get("caffe_refuses"):
                with pytest.raises(ConversionError):
                    _case(folder, np.float32)
                continue
            _agrees(folder, np.float32, tolerance)
            _agrees(folder, np.float64, tolerance)

    return compare
