"""Conversions beside the oracle, where Caffe's own outputs do not reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import caffe_bn_convert as cbc
from caffe_bn_convert.verify import oracle
from tests.golden import LEVELS, OPSETS, assert_close, run
from tests.nets import write_net

if TYPE_CHECKING:
    from pathlib import Path


def check_by_oracle(
    folder: Path,
    text: str,
    inputs: dict[str, np.ndarray],
    weights: dict[str, list[np.ndarray]] | None = None,
    opsets: tuple[int, ...] = OPSETS,
    **options: object,
) -> dict[str, np.ndarray]:
    """Convert the net and compare every output with the oracle's in float32; returns the oracle's."""
    prototxt, file = write_net(folder, text, weights)
    wanted: dict[str, np.ndarray] = {}
    for opset in opsets:
        conversion = cbc.convert(prototxt, file, opset=opset, allow="all", keep_losses=True, **options)
        if not wanted:
            wanted = oracle.run(conversion.net, conversion.located.blobs, inputs, np.float32)
        for level in LEVELS:
            got = run(conversion, inputs, level)
            assert got.keys() == wanted.keys()
            for name, value in wanted.items():
                assert_close(got[name], value, f"{name} at opset {opset}, {level}")
    return wanted
