"""``ConvLSTM``: the net that ConvLSTM-for-Caffe, PDB and DAVSOD unroll (conv_lstm_layer.cpp), and its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.correlate import convolve
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def conv_lstm(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """Gates i, f, o, g from ``W_x x_t + W_h (cont h) + b``, the first three with a Hadamard term of the old cell.

    ``expose_hidden`` appends ``h_0, c_0`` to the bottoms and ``h_T, c_T`` to the tops.
    """
    exposed = layer.parameter.recurrent_param.expose_hidden
    expect(layer, bottoms, 4 if exposed else 2)
    if layer.parameter.lstm_debug_param.expose:
        raise UnsupportedError("ConvLSTM that exposes what is inside")
    x, cont = bottoms[:2]
    if x.ndim != 5 or cont.shape != x.shape[:2]:
        raise InvalidNetError(f"x {x.shape} and cont {cont.shape} must be (T, N, C, H, W) and (T, N)")
    net = _Unrolled(layer, blobs, x)
    h, c = (state.reshape(net.state) for state in bottoms[2:]) if exposed else (np.zeros(net.state, layer.dtype),) * 2
    tops = []
    for time in range(len(x)):
        h, c = net.unit(x[time], cont[time].reshape(-1, 1, 1, 1), h, c)
        tops.append(h)
    return [np.stack(tops), *([h[None], c[None]] if exposed else [])]


class _Unrolled:
    """The net for one step, with the blobs in the order of the net's layers."""

    def __init__(self, layer: Layer, blobs: Blobs, x: Array) -> None:
        self.layer, self.blobs, self.next = layer, blobs, 0
        first, last = layer.parameter.lstm_conv_param[0], layer.parameter.lstm_conv_param[-1]
        debug = layer.parameter.lstm_debug_param
        self.of_x = last if first.type == "hidden" else first
        self.of_h = last if first.type == "input" else first
        size = first.num_output
        self.state = (x.shape[1], size, *x.shape[3:])
        # The newer code makes all gates by one convolution, and has DummyForward layers with a blob of one number each.
        self.rows = [size] * 4 if len(blobs) > 10 else [4 * size]
        self.w_x = [] if debug.ignore_x else self._all(self.of_x, x.shape[2])
        self._skip_dummies()
        pairs = [
            (self._kernel(self.of_h, rows, size), self._take((rows,), self.of_h.bias_filler)) for rows in self.rows
        ]
        self.w_h, self.b_h = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        self.cell = [] if debug.disable_hadamard else self._hadamard(debug.axis_hadamard, debug.num_axes_hadamard)

    def _skip_dummies(self) -> None:
        if len(self.rows) == 1:
            self.next += 2

    def _take(self, shape: tuple[int, ...], filler: Any) -> Array:
        self.next += 1
        return weight(self.layer, self.blobs, self.next - 1, shape, filler)

    def _kernel(self, p: Any, rows: int, channels: int) -> Array:
        size = tuple(p.kernel_size) * (2 if len(p.kernel_size) == 1 else 1)
        return self._take((rows, channels // p.group, *size), p.weight_filler)

    def _all(self, p: Any, channels: int) -> list[Array]:
        return [self._kernel(p, rows, channels) for rows in self.rows]

    def _hadamard(self, axis: int, count: int) -> list[Array]:
        """Three Scale layers over the axes of (1, N, C, H, W); their filler is 1."""
        shape = (1, *self.state)[axis : axis + count]
        behind = (1,) * (5 - axis - count)
        return [self._take(shape, 1.0).reshape(*shape, *behind) for _ in range(3)]

    def _gates(self, x: Array, p: Any, weights: list[Array], biases: list[Array] | None) -> Array:
        def both(given: Any, default: int) -> tuple[int, ...]:
            values: tuple[int, ...] = tuple(given) or (default,)
            return values * 2 if len(values) == 1 else values

        how = {"stride": both(p.stride, 1), "pad": both(p.pad, 0), "dilation": both(p.dilation, 1), "group": p.group}
        made = [convolve(x, w, biases[k] if biases else None, **how) for k, w in enumerate(weights)]
        if any(gate.shape[2:] != x.shape[2:] for gate in made):
            raise InvalidNetError("the convolutions of a ConvLSTM must keep height and width")
        return np.concatenate(made, axis=1)

    def unit(self, x: Array, cont: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """``ConvLSTMUnit``: the next h and c. The Hadamard terms read c as it is, whatever ``cont`` says."""
        gates = self._gates(h * cont, self.of_h, self.w_h, self.b_h)
        if self.w_x:
            gates = gates + self._gates(x, self.of_x, self.w_x, None)
        parts = np.split(gates, 4, axis=1)
        for index, scale in enumerate(self.cell):
            parts[index] = parts[index] + c * scale
        with np.errstate(over="ignore"):
            i, f, o = (1 / (1 + np.exp(-part)) for part in parts[:3])
        c = np.where(cont == 0, 0, cont * f).astype(c.dtype) * c + i * np.tanh(parts[3])
        return o * np.tanh(c), c
