"""LSTM and RNN, step by step (Caffe's recurrent_layer.cpp, lstm_layer.cpp, lstm_unit_layer.cpp, rnn_layer.cpp)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError

from .fields import fields
from .filler import weight
from .layer import matrix

if TYPE_CHECKING:
    from .fields import Fields
    from .layer import Array, Blobs, Layer, Rule


class _Filler:
    """A fork's filler block, as :func:`.filler.fill` reads it."""

    def __init__(self, given: Fields) -> None:
        self.type, self.value = given.word("type", "constant"), given.number("value", 0)


class _Weights:
    """The layer's blobs one after another, each in the shape that the unrolled net gives it."""

    def __init__(self, layer: Layer, blobs: Blobs) -> None:
        self._layer, self._blobs, self._next = layer, blobs, 0

    def take(self, shape: tuple[int, ...]) -> Array:
        """The next blob; biases have ``bias_filler``, matrices ``weight_filler``."""
        parameter = self._layer.parameter.recurrent_param
        filler = parameter.weight_filler if len(shape) == 2 else parameter.bias_filler
        index, self._next = self._next, self._next + 1
        return weight(self._layer, self._blobs, index, shape, filler)


def _sigmoid(x: Array) -> Array:
    """``lstm_unit_layer.cpp`` ``sigmoid``."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


class _Sequence:
    """The inputs of a recurrent layer: the sequence, its continuation marks, the static input, the first states."""

    def __init__(self, layer: Layer, bottoms: list[Array], states: int) -> None:
        parameter = layer.parameter.recurrent_param
        self.outputs, self.exposed = int(parameter.num_output), bool(parameter.expose_hidden)
        hidden = states if self.exposed else 0
        if not 2 + hidden <= len(bottoms) <= 3 + hidden:
            raise InvalidNetError(f"it takes {2 + hidden} or {3 + hidden} bottoms here, not {len(bottoms)}")
        x, self.cont = bottoms[:2]
        if x.ndim < 3 or self.cont.shape != x.shape[:2] or not len(x):
            raise InvalidNetError(f"x {x.shape} and cont {self.cont.shape} must be (T, N, …) and (T, N), T at least 1")
        self.steps, self.streams = x.shape[:2]
        # The inner product of the unrolled net has axis 2: everything behind (T, N) is one vector.
        self.x = x.reshape(self.steps, self.streams, math.prod(x.shape[2:]))
        self.static = matrix(bottoms[2], 1) if len(bottoms) == 3 + hidden else None
        shape = (self.streams, self.outputs)
        # Without exposed states a fresh net starts from zero; Caffe would carry them over to a second forward pass.
        start = bottoms[len(bottoms) - hidden :] if hidden else [np.zeros(shape, layer.dtype)] * states
        self.start = [state.reshape(shape) for state in start]


def _inputs(sequence: _Sequence, weights: _Weights, rows: int) -> Array:
    """What each step gets from outside: ``W_x x_t + b``, for a static input ``+ W_static x_static`` (no own bias)."""
    matrix = weights.take((rows, sequence.x.shape[2]))
    gates = sequence.x @ matrix.T + weights.take((rows,))
    if sequence.static is not None:
        gates = gates + sequence.static @ weights.take((rows, sequence.static.shape[1])).T
    return gates


def _tops(sequence: _Sequence, outputs: list[Array], states: list[Array]) -> list[Array]:
    top = np.stack(outputs)
    return [top, *(state[None] for state in states)] if sequence.exposed else [top]


def lstm(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``LSTM``: gates in the order i, f, o, g; blobs W_xc, b_c, [W_xc_static], W_hc.

    ``cont`` multiplies ``h`` before ``W_hc``, and ``f`` (lstm_unit_layer.cpp). ``expose_hidden`` appends ``h_0, c_0``
    to the bottoms and ``h_T, c_T`` to the tops.
    """
    sequence = _Sequence(layer, bottoms, 2)
    rows, weights = 4 * sequence.outputs, _Weights(layer, blobs)
    inputs, (h, c) = _inputs(sequence, weights, rows), sequence.start
    recurrent, outputs = weights.take((rows, sequence.outputs)), []
    for gates, marks in zip(inputs, sequence.cont, strict=True):
        cont = marks[:, None]
        i, f, o, g = np.split(gates + (h * cont) @ recurrent.T, 4, axis=1)
        kept = np.where(cont == 0, 0, cont * _sigmoid(f)).astype(layer.dtype)
        c = kept * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return _tops(sequence, outputs, [h, c])


def rnn(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``RNN``: ``h = tanh(W_hh (cont h) + W_xh x + b_h)``, top ``o = tanh(W_ho h + b_o)``.

    Blobs W_xh, b_h, [W_xh_static], W_hh, W_ho, b_o. ``expose_hidden`` appends ``h_0`` to the bottoms and ``h_T`` to the
    tops.
    """
    sequence = _Sequence(layer, bottoms, 1)
    size, weights = sequence.outputs, _Weights(layer, blobs)
    inputs, (h,) = _inputs(sequence, weights, size), sequence.start
    recurrent, out, bias = weights.take((size, size)), weights.take((size, size)), weights.take((size,))
    outputs: list[Any] = []
    for x, marks in zip(inputs, sequence.cont, strict=True):
        h = np.tanh((h * marks[:, None]) @ recurrent.T + x)
        outputs.append(np.tanh(h @ out.T + bias))
    return _tops(sequence, outputs, [h])


def _is_ctpn(given: Fields, x: Array, first: Array | None) -> bool:
    """Whether ``Lstm`` is CTPN's, with x (T, N, …), and not caffe-lstm's, with x (T·N, …) and ``batch_size``."""
    if x.ndim < 3 or given.has("batch_size"):
        return False
    return first is None or first.size == 4 * given.integer("num_output", 0) * x[0, 0].size


def lstm_of_forks(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """``Lstm`` of caffe-lstm and of CTPN (their lstm_layer.cpp): blobs W_x, W_h, b; gates i, f, o, g.

    The second bottom marks by 0 where a sequence begins; without it the first step does. Any other mark counts as 1.
    """
    given, x = fields(layer, "lstm_param"), bottoms[0]
    size = given.integer("num_output", 0)
    own_axes = _is_ctpn(given, x, blobs[0] if blobs else None)
    streams = x.shape[1] if own_axes else given.integer("batch_size", 1)
    if not 1 <= len(bottoms) <= 2 or size < 1 or x.ndim < 2 or (not own_axes and x.shape[0] % streams):
        raise InvalidNetError(f"Lstm's bottom {x.shape} does not fit num_output {size} or batch_size {streams}")
    steps = x.shape[0] if own_axes else x.shape[0] // streams
    inputs = x.reshape(steps, streams, math.prod(x.shape[2 if own_axes else 1 :]))
    matrices, biases = (_Filler(given.inner(f"{name}_filler")) for name in ("weight", "bias"))
    forward = weight(layer, blobs, 0, (4 * size, inputs.shape[2]), matrices)
    recurrent = weight(layer, blobs, 1, (4 * size, size), matrices)
    gates = inputs @ forward.T + weight(layer, blobs, 2, (4 * size,), biases)
    begins = np.broadcast_to((np.arange(steps) == 0)[:, None], (steps, streams))
    marks = bottoms[1].reshape(steps, streams) != 0 if len(bottoms) == 2 else ~begins
    top = _unrolled(gates, recurrent, marks)
    return [top if own_axes else matrix(top, 2)]


def _unrolled(gates: Array, recurrent: Array, marks: Array) -> Array:
    """Hidden states (T, N, H) from gates (T, N, 4H); where a mark is false, nothing comes over from the step before."""
    h = c = np.zeros((gates.shape[1], recurrent.shape[1]), gates.dtype)
    outputs = []
    for step, mark in zip(gates, marks[..., None], strict=True):
        i, f, o, g = np.split(step + np.where(mark, h @ recurrent.T, 0), 4, axis=1)
        c = np.where(mark, _sigmoid(f), 0) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


LAYERS: dict[str, Rule] = {"LSTM": lstm, "Lstm": lstm_of_forks, "RNN": rnn}
DISCONTINUOUS: frozenset[str] = frozenset()
