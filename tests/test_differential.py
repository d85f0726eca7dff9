"""Random nets: what onnxruntime computes of the ONNX model against the oracle, which reads every parameter for itself."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.verify import oracle
from tests.golden import LEVELS, OPSETS, assert_close, run, values
from tests.nets import write_net
from tests.random_nets import RandomNet

GROUPS, NETS = 10, 14


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_nets(tmp_path, group):
    outputs = 0
    for seed in range(group * NETS, (group + 1) * NETS):
        net = RandomNet(seed)
        weights = net.weights()
        files = write_net(tmp_path, net.text, weights or None)
        conversion = cbc.convert(
            *files, allow="all", opset=OPSETS[seed % 3], fold=seed % 4 > 0, fold_conv=seed % 5 == 0
        )
        outputs += compare(conversion, net, {name: net.shapes_of(name) for name in conversion.graph.inputs})
    assert outputs > NETS


@pytest.mark.parametrize("seed", range(GROUPS * NETS, GROUPS * NETS + 20))
def test_random_nets_with_a_dynamic_batch(tmp_path, seed):
    net = RandomNet(seed, steps=5)
    files = write_net(tmp_path, net.text, net.weights() or None)
    try:
        conversion = cbc.convert(*files, allow="all", batch="dynamic")
        conversion.model  # noqa: B018  (it emits)
    except cbc.ConversionError as error:
        assert isinstance(error, UnsupportedError | cbc.InvalidNetError)  # a layer of this net needs a fixed batch
        return
    batch = net.shapes_of("in0")[0]
    compare(conversion, net, {name: (batch, *net.shapes_of(name)[1:]) for name in conversion.graph.inputs})


def compare(conversion: cbc.Conversion, net: RandomNet, shapes: dict[str, tuple[int, ...]]) -> int:
    """Compare all outputs in onnxruntime, unoptimised and optimised, with the oracle's; returns how many there are."""
    inputs = {name: values(name, *shape) for name, shape in shapes.items()}
    wanted = oracle.run(conversion.net, conversion.located.blobs, inputs, np.float64)
    for level in LEVELS:
        got = run(conversion, inputs, level)
        assert set(got) == set(wanted), net.text
        for name, value in wanted.items():
            assert_close(got[name], value, f"{name} at {level} of\n{net.text}")
    return len(wanted)
