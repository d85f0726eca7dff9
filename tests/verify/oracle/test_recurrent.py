from __future__ import annotations

import numpy as np
import pytest

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_as_caffe(golden, kind):
    golden(kind)


def _lstm(h, c, x, w, b, u):
    i, f, o, g = np.split(w @ x + b + u @ h, 4)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


def test_lstm_by_hand(apply):
    random = np.random.default_rng(1)
    w, b, u = (random.standard_normal(shape).astype(np.float32) for shape in ((8, 3), (8,), (8, 2)))
    x = random.standard_normal((2, 1, 3))
    top = apply("LSTM", "recurrent_param { num_output: 2 }", x, np.ones((2, 1)), blobs=(w, b, u))[0]
    h, c = _lstm(np.zeros(2), np.zeros(2), x[0, 0], w, b, u)
    np.testing.assert_allclose(top[0, 0], h, rtol=1e-12)
    np.testing.assert_allclose(top[1, 0], _lstm(h, c, x[1, 0], w, b, u)[0], rtol=1e-12)


def test_cont_zero_forgets_all(apply):
    random = np.random.default_rng(2)
    blobs = [random.standard_normal(shape) for shape in ((8, 3), (8,), (8, 2))]
    x, cont = random.standard_normal((3, 2, 3)), np.ones((3, 2))
    cont[0], cont[2, 1] = 0, 0
    text = "recurrent_param { num_output: 2 }"
    whole = apply("LSTM", text, x, cont, blobs=blobs)[0]
    alone = apply("LSTM", text, x[2:, 1:], np.zeros((1, 1)), blobs=blobs)[0]
    np.testing.assert_allclose(whole[2, 1], alone[0, 0], rtol=1e-12)


def test_exposed_states_go_in_and_out(apply):
    random = np.random.default_rng(3)
    blobs = [random.standard_normal(shape) for shape in ((2, 3), (2,), (2, 2), (4, 2), (4,))]
    blobs[3], blobs[4] = blobs[3][:2], blobs[4][:2]
    x, cont, text = random.standard_normal((4, 5, 3)), np.ones((4, 5)), "recurrent_param { num_output: 2 "
    whole = apply("RNN", text + "}", x, cont, blobs=blobs)[0]
    first, state = apply("RNN", text + "expose_hidden: true }", x[:1], cont[:1], np.zeros((1, 5, 2)), blobs=blobs)
    rest, last = apply("RNN", text + "expose_hidden: true }", x[1:], cont[1:], state, blobs=blobs)
    assert last.shape == (1, 5, 2)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole, rtol=1e-12)


def test_refuses_what_caffe_refuses(apply):
    with pytest.raises(InvalidNetError, match="cont"):
        apply("LSTM", "recurrent_param { num_output: 2 }", np.zeros((4, 5, 3)), np.zeros((5, 4)))
    with pytest.raises(InvalidNetError, match="bottoms"):
        apply("LSTM", "recurrent_param { num_output: 2 }", np.zeros((4, 5, 3)))


def test_missing_weights_with_a_random_filler(apply):
    text = 'recurrent_param { num_output: 2 weight_filler { type: "gaussian" } }'
    with pytest.raises(UnsupportedError, match="gaussian"):
        apply("LSTM", text, np.zeros((4, 5, 3)), np.zeros((4, 5)))


def _blobs_of_lstm(inputs=3, size=2):
    random = np.random.default_rng(5)
    return [random.standard_normal(shape) for shape in ((4 * size, inputs), (4 * size,), (4 * size, size))]


def test_lstm_of_forks_computes_what_caffes_does(apply):
    random = np.random.default_rng(4)
    w, b, u = _blobs_of_lstm()
    x, marks = random.standard_normal((4, 5, 3)), random.integers(0, 2, (4, 5)).astype(float)
    marks[0] = 0
    expected = apply("LSTM", "recurrent_param { num_output: 2 }", x, marks, blobs=(w, b, u))[0]
    ctpn = apply("Lstm", "lstm_param { num_output: 2 }", x, marks, blobs=(w, u, b))[0]
    np.testing.assert_allclose(ctpn, expected, rtol=1e-12)
    flat = apply(
        "Lstm", "lstm_param { num_output: 2 batch_size: 5 }", x.reshape(20, 3), marks.ravel(), blobs=(w, u, b)
    )[0]
    np.testing.assert_allclose(flat, expected.reshape(20, 2), rtol=1e-12)


def test_lstm_of_forks_without_marks_is_one_sequence(apply):
    x, (w, b, u) = np.random.default_rng(6).standard_normal((4, 3)), _blobs_of_lstm()
    marks = np.array([0.0, 1, 1, 1])
    alone = apply("Lstm", "lstm_param { num_output: 2 }", x, blobs=(w, u, b))[0]
    np.testing.assert_array_equal(alone, apply("Lstm", "lstm_param { num_output: 2 }", x, marks, blobs=(w, u, b))[0])


def test_lstm_of_forks_refuses_a_batch_that_does_not_divide(apply):
    with pytest.raises(InvalidNetError, match="batch_size 3"):
        apply("Lstm", "lstm_param { num_output: 2 batch_size: 3 }", np.zeros((4, 3)))
