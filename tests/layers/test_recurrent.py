from __future__ import annotations

import numpy as np
import pytest

import caffe_bn_convert as cbc
from tests.golden import OPSETS, cases, check, values
from tests.layers.dynamic import check_dynamic, shape_of
from tests.layers.judged import check_by_oracle
from tests.nets import input_layer, layer, write_net

STEPS, BATCH, INPUT, SIZE, STATIC = 5, 3, 7, 4, 6
STATES = {"LSTM": 2, "RNN": 1}
GATES = {"LSTM": 4, "RNN": 1}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("folder", cases("LSTM", "RNN"))
def test_as_caffe(folder, opset):
    check(folder, opset)


def net(
    kind, exposed=False, static=False, more="", cont=(STEPS, BATCH), state=(1, BATCH, SIZE), x=(STEPS, BATCH, INPUT)
):
    bottoms, tops = ["x", "cont"], ["y"]
    text = input_layer(*x, name="x") + input_layer(*cont, name="cont")
    if static:
        text += input_layer(BATCH, STATIC, name="static")
        bottoms.append("static")
    for i in range(STATES[kind] if exposed else 0):
        text += input_layer(*state, name=f"s{i}")
        bottoms.append(f"s{i}")
        tops.append(f"t{i}")
    rest = f"recurrent_param {{ num_output: {SIZE} expose_hidden: {str(exposed).lower()} {more} }}"
    return text + layer(kind, "y", " ".join(bottoms), " ".join(tops), rest)


def blobs(kind, static=False):
    rows = GATES[kind] * SIZE
    shapes = [(rows, INPUT), (rows,), *([(rows, STATIC)] if static else []), (rows, SIZE)]
    shapes += [(SIZE, SIZE), (SIZE,)] if kind == "RNN" else []
    return {"y": [values(f"w{i}", *shape) for i, shape in enumerate(shapes)]}


def inputs(steps=STEPS, batch=BATCH):
    given = {"x": values("x", steps, batch, INPUT), "static": values("static", batch, STATIC)}
    given |= {f"s{i}": values(f"s{i}", 1, batch, SIZE) for i in (0, 1)}
    # Caffe multiplies by cont as it is, also by what is neither 0 nor 1.
    return given | {"cont": np.random.default_rng(3).choice([0, 1, 1, 0.5], (steps, batch)).astype(np.float32)}


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("static", [False, True])
def test_every_form(tmp_path, kind, exposed, static):
    check_by_oracle(tmp_path, net(kind, exposed, static), inputs(), blobs(kind, static))


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_time_and_batch_may_be_dynamic(tmp_path, kind):
    shapes = {"x": ("T", "N", INPUT), "cont": ("T", "N"), "static": ("N", STATIC)}
    conversion = check_dynamic(tmp_path, net(kind, static=True), {"T": 6, "N": 2}, blobs(kind, static=True), **shapes)
    assert shape_of(conversion, "y") == ["T", "N", SIZE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (net("LSTM", cont=(BATCH, STEPS)), "cont is"),
        (net("LSTM", x=(STEPS, BATCH)), "takes time, batch and at least one more"),
        (net("LSTM", exposed=True, state=(BATCH, SIZE)), "a state is"),
        (net("LSTM").replace("num_output: 4", ""), "needs num_output"),
        (net("LSTM", more='direction: "reverse"'), 'the field "direction"'),
        (net("RNN", exposed=True).replace('top: "t0"', ""), "it has 1 tops, but makes 2"),
        (net("LSTM", exposed=True).replace('bottom: "s1"', "").replace('bottom: "s0"', ""), "it has 2 bottoms"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(cbc.ConversionError, match=message):
        cbc.convert(*write_net(tmp_path, text, blobs("LSTM")))
