from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

WEIGHTS = [values("a", 20, 6), values("b", 20, 5), values("c", 20)]


def by_hand(x, marks):
    """The steps of caffe-lstm's Forward_cpu for one sequence, in double precision."""
    weights, recurrent, bias = (w.astype(np.float64) for w in WEIGHTS)
    h = c = np.zeros(5)
    tops = []
    for row, mark in zip(x.astype(np.float64), marks, strict=True):
        gates = weights @ row + bias + (recurrent @ h if mark else 0)
        i, f, o = (1 / (1 + np.exp(-gates[k * 5 : k * 5 + 5])) for k in range(3))
        c = (f * c if mark else 0) + i * np.tanh(gates[15:])
        h = o * np.tanh(c)
        tops.append(h)
    return np.array(tops)


def test_a_single_sequence_by_hand(tmp_path):
    text = input_layer(7, 6) + layer("Lstm", "y", rest="lstm_param { num_output: 5 }")
    x = values("data", 7, 6)
    wanted = check_by_oracle(tmp_path, text, {"data": x}, {"y": WEIGHTS})["y"]
    np.testing.assert_allclose(wanted, by_hand(x, np.arange(7) > 0), rtol=1e-4, atol=1e-6)


def test_marks(tmp_path):
    text = input_layer(12, 2, 3) + input_layer(12, name="clip")
    text += layer("Lstm", "y", "data clip", rest="lstm_param { num_output: 5 batch_size: 3 clipping_threshold: 0.1 }")
    marks = (np.arange(12) % 5 > 0).astype(np.float32) * 2
    x = values("data", 12, 2, 3)
    wanted = check_by_oracle(tmp_path, text, {"data": x, "clip": marks}, {"y": WEIGHTS})["y"]
    for n in range(3):
        np.testing.assert_allclose(wanted[n::3], by_hand(x[n::3].reshape(4, 6), marks[n::3]), rtol=1e-4, atol=1e-6)


def test_ctpn_has_axes_for_time_and_batch(tmp_path):
    text = input_layer(4, 3, 6) + layer("Lstm", "y", rest="lstm_param { num_output: 5 }")
    x = values("data", 4, 3, 6)
    wanted = check_by_oracle(tmp_path, text, {"data": x}, {"y": WEIGHTS})["y"]
    for n in range(3):
        np.testing.assert_allclose(wanted[:, n], by_hand(x[:, n], np.arange(4) > 0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("shape", "whose"), [((4, 1, 6), "CTPN"), ((4, 2, 3), "caffe-lstm")])
def test_the_dialect_is_told_by_the_weights(tmp_path, shape, whose):
    text = input_layer(*shape) + layer("Lstm", "y", rest="lstm_param { num_output: 5 }")
    conversion = cbc.convert(*write_net(tmp_path, text, {"y": WEIGHTS}))
    assert whose in conversion.findings[0].what


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("lstm_param { }", "needs num_output"),
        ("lstm_param { num_output: 5 batch_size: 5 }", "do not divide"),
        ("lstm_param { num_output: 5 paramq: 1 }", 'the field "paramq"'),
    ],
)
def test_refusals(tmp_path, rest, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, input_layer(12, 6) + layer("Lstm", "y", rest=rest), {"y": WEIGHTS}))
