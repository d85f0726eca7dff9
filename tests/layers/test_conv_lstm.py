"""No output of the forks is at hand: beside the oracle, the loops of DAVSOD's unrolled net, transcribed here."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import values
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

SIZE = 2
X, STATE = (3, 2, 3, 4, 5), (1, 2, SIZE, 4, 5)
CONV = "lstm_conv_param { num_output: 2 kernel_size: 3 kernel_size: 3 pad: 1 pad: 2 dilation: 1 dilation: 2 %s }"
UNUSED = np.float32([7])
CELL = [values(name, 4, 5) for name in ("ci", "cf", "co")]
W_X, W_H, B_H = values("wx", 8, 3, 3, 3), values("wh", 8, SIZE, 3, 3), values("bh", 8)
BLOBS = [W_X, UNUSED, UNUSED, W_H, B_H, *CELL, UNUSED, UNUSED]


def net(rest, bottoms="data cont", tops="y", x=X):
    text = input_layer(*x) + input_layer(*x[:2], name="cont")
    text += "".join(input_layer(*STATE, name=name) for name in ("h0", "c0") if name in bottoms)
    return text + layer("ConvLSTM", "y", bottoms, tops, rest)


def given(**more):
    cont = np.float32([[0, 1], [1, 0], [1, 0.5]])
    return {"data": values("data", *X), "cont": cont, **more}


def conv(x, weights, pad=(1, 2), dilation=(1, 2)):
    """(C, H, W) by Caffe's loop over windows."""
    out = np.zeros((len(weights), *x.shape[1:]))
    for (o, y, z), _ in np.ndenumerate(out):
        for (c, i, j), w in np.ndenumerate(weights[o]):
            row, column = y - pad[0] + i * dilation[0], z - pad[1] + j * dilation[1]
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                out[o, y, z] += w * x[c, row, column]
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unrolled(x, cont, w_x=W_X, cell=CELL, h0=None, c0=None):
    """FillUnrolledNet and ConvLSTMUnit's Forward_cpu, one stream after the other."""
    tops, last = np.zeros((*x.shape[:2], SIZE, *x.shape[3:])), []
    for n in range(x.shape[1]):
        h, c = (np.zeros(STATE[2:]) if s is None else s[0, n].astype(float) for s in (h0, c0))
        for t in range(len(x)):
            gates = conv(h * cont[t, n], W_H) + B_H[:, None, None]
            if w_x is not None:
                gates += conv(x[t, n].astype(float), w_x)
            for k, weights in enumerate(cell):
                gates[k * SIZE : k * SIZE + SIZE] += c * weights
            i, f, o, g = gates[:2], gates[2:4], gates[4:6], gates[6:]
            f = 0 if cont[t, n] == 0 else cont[t, n] * sigmoid(f)
            c = f * c + sigmoid(i) * (2 * sigmoid(2 * g) - 1)
            h = sigmoid(o) * (2 * sigmoid(2 * c) - 1)
            tops[t, n] = h
        last.append((h, c))
    return tops, *(np.stack(states)[None] for states in zip(*last, strict=True))


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_sequences(tmp_path):
    inputs = given()
    got = check_by_oracle(tmp_path, net(CONV % ""), inputs, {"y": BLOBS})
    close(got["y"], unrolled(inputs["data"], inputs["cont"])[0])


def test_states_are_bottoms_and_tops(tmp_path):
    inputs = given(h0=values("h0", *STATE), c0=values("c0", *STATE))
    inputs["cont"][0] = 1, 0
    text = net(CONV % "" + " recurrent_param { expose_hidden: true }", "data cont h0 c0", "y h c")
    got = check_by_oracle(tmp_path, text, inputs, {"y": BLOBS})
    wanted = unrolled(inputs["data"], inputs["cont"], h0=inputs["h0"], c0=inputs["c0"])
    for name, value in zip("yhc", wanted, strict=True):
        close(got[name], value)
    conversion = cbc.convert(*write_net(tmp_path, text, {"y": BLOBS}))
    assert conversion.verify().verdict == "proven"
    assert "ConvLSTM-for-Caffe" in conversion.findings[0].what


def test_every_gate_with_blobs_of_its_own(tmp_path):
    """As ConvLSTM-for-Caffe began: no DummyForward, and a convolution for each gate."""
    states = [blob for k in range(4) for blob in (W_H[2 * k : 2 * k + 2], B_H[2 * k : 2 * k + 2])]
    inputs = given()
    blobs = [*(W_X[2 * k : 2 * k + 2] for k in range(4)), *states, *CELL]
    got = check_by_oracle(tmp_path, net(CONV % ""), inputs, {"y": blobs})
    close(got["y"], unrolled(inputs["data"], inputs["cont"])[0])


def test_without_hadamard_terms_and_with_a_kernel_for_the_input(tmp_path):
    rest = CONV % 'type: "hidden"' + ' lstm_conv_param { num_output: 2 kernel_size: 1 type: "input" } '
    inputs, small = given(), values("small", 8, 3, 1, 1)
    wide = np.zeros((8, 3, 3, 3))
    wide[:, :, 1, 1] = small[:, :, 0, 0]
    blobs = [small, UNUSED, UNUSED, W_H, B_H, UNUSED, UNUSED]
    got = check_by_oracle(tmp_path, net(rest + "lstm_debug_param { disable_hadamard: true }"), inputs, {"y": blobs})
    close(got["y"], unrolled(inputs["data"], inputs["cont"], wide, [])[0])


def test_the_input_ignored_and_a_weight_for_each_channel_of_the_cell(tmp_path):
    rest = CONV % "" + " lstm_debug_param { ignore_x: true axis_hadamard: 2 num_axes_hadamard: 1 }"
    inputs, cell = given(), [values(name, 2) for name in "abc"]
    got = check_by_oracle(tmp_path, net(rest), inputs, {"y": [UNUSED, UNUSED, W_H, B_H, *cell, UNUSED, UNUSED]})
    close(got["y"], unrolled(inputs["data"], inputs["cont"], None, [w[:, None, None] for w in cell])[0])


def test_dynamic_time_and_batch(tmp_path):
    dynamic = {"data": ("T", "N", *X[2:]), "cont": ("T", "N")}
    inputs = given()
    got = check_by_oracle(tmp_path, net(CONV % ""), inputs, {"y": BLOBS}, shapes=dynamic)
    close(got["y"], unrolled(inputs["data"], inputs["cont"])[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("convolution_param { num_output: 2 }"), "without lstm_conv_param"),
        (net(CONV % "bias_term: false"), "must have its bias_term"),
        (net(CONV % "pad_h: 1"), "does not read pad_h"),
        (net(CONV % "stride: 2"), "must keep height and width"),
        (net(CONV % 'type: "hidden"'), 'the only lstm_conv_param is of type "hidden"'),
        (net(CONV % "", "data cont h0"), "with a static input is not supported"),
        (net(CONV % "" + 'lstm_debug_param { expose: "c_t=1" }'), "with expose or"),
        (net(CONV % "", x=(3, 2, 60)), "must be time, batch, channels, height and width"),
        (
            net(CONV % "" + "lstm_debug_param { axis_hadamard: 5 num_axes_hadamard: 0 }"),
            "axes behind time and batch",
        ),
        (net(CONV % "" + "lstm_debug_param { axis_hadamard: 1 }"), "axes behind time and batch"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, text, {"y": BLOBS}))
