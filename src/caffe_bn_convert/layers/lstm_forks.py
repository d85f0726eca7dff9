"""``Lstm`` of caffe-lstm and of CTPN, a layer of its own beside BVLC's ``LSTM`` (their lstm_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.export.body import body
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Dim, Shape, divide, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class Lstm(Layer):
    """Long short-term memory with gates input, forget, output, modulation.

    The first bottom is (time × batch, …), or (time, batch, …) in CTPN; the second marks by 0 where a sequence begins,
    and without it only the first step does.

    Attributes:
        size: the length of output and state.
        batch: how many sequences; None where the bottom's second axis tells (CTPN).
        marked: whether there is a second bottom.
        width: the length of an input by the weights; None without weights.
    """

    BOTTOMS = (1, 2)
    RESTRICTIONS = "every run starts from state 0; Caffe keeps the state from the run before where the marks say so"

    size: int
    batch: int | None
    marked: bool
    weight_filler: Filler
    bias_filler: Filler
    width: int | None = None

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``lstm_param``; clipping_threshold is for the gradients."""
        p = source.lstm_param
        only(p, ("num_output", "clipping_threshold", "weight_filler", "bias_filler", "batch_size"))
        require(p.num_output > 0, "lstm_param needs num_output")
        require(not p.HasField("batch_size") or p.batch_size > 0, "batch_size must be above 0")
        batch = int(p.batch_size) if p.HasField("batch_size") else None
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        shapes = source.blob_shapes
        width = int(np.prod(shapes[0])) // (4 * p.num_output) if shapes else None
        return cls(p.num_output, batch, source.bottoms == 2, *fillers, width)

    def _is_ctpn(self, x: Shape) -> bool:
        """Whether time and batch are axes of their own, as in CTPN."""
        return len(x) >= 3 and self.batch is None and self.width in (None, volume(x[2:]))

    def _steps(self, x: Shape) -> tuple[Dim, Dim, Dim]:
        """Time, batch and the length of an input."""
        require(len(x) >= 2, f"its bottom must have 2 axes or more, it is {show(x)}")
        if self._is_ctpn(x):
            return x[0], x[1], volume(x[2:])
        batch = self.batch or 1
        steps = divide(x[0], batch)
        if steps is None:
            raise InvalidNetError(f"{x[0]} rows do not divide into sequences of a batch of {batch}")
        return steps, batch, volume(x[1:])

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Weights of the input, weights of the state, bias."""
        rows, width = 4 * self.size, self._steps(bottoms[0])[2]
        return (
            Parameter("input_weight", (rows, width), self.weight_filler),
            Parameter("state_weight", (rows, self.size), self.weight_filler),
            Parameter("bias", (rows,), self.bias_filler),
        )

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(time, batch, num_output), or (time × batch, num_output)."""
        x = bottoms[0]
        steps, batch, _ = self._steps(x)
        if self.marked:
            fits = volume(bottoms[1]) == steps * batch
            require(fits, f"the marks must be {show((steps, batch))}, they are {show(bottoms[1])}")
        return ((steps, batch, self.size),) if self._is_ctpn(x) else ((x[0], self.size),)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        whose = "CTPN's Lstm: (time, batch, …)" if self._is_ctpn(bottoms[0]) else "caffe-lstm's: (time × batch, …)"
        yield taken_for(whose, "by its bottom's axes and batch_size")

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """MatMul for the inputs of all steps, Scan for the rest."""
        shape = x[0].shape
        steps, batch, width = self._steps(shape)
        gates = e.op("MatMul", e.reshape(x[0].name, shape, (steps, batch, width)),
                     e.op("Transpose", e.weight(w[0], "input_weight"), perm=[1, 0]))  # fmt: skip
        gates = e.op("Add", gates, e.weight(w[2], "bias"))
        zeros = e.op("ConstantOfShape", e.op("Concat", self._batch(e, gates), e.ints([self.size], "size"), axis=0))
        keeps = self._keeps(e, x, gates, (steps, batch))
        hidden = self._scan(e, zeros, gates, keeps, w[1], batch)
        return [e.reshape(hidden, (steps, batch, self.size), self.shapes(tuple(t.shape for t in x))[0])]

    def _batch(self, e: Emitter, gates: str) -> str:
        return e.slice(e.op("Shape", gates), [1], [2], [0])

    def _keeps(self, e: Emitter, x: Sequence[Tensor], gates: str, shape: tuple[Dim, Dim]) -> str:
        """1 where a step goes on with the sequence of the step before, 0 where it begins one; (time, batch)."""
        if self.marked:
            marks = e.reshape(x[1].name, x[1].shape, shape)
            return str(e.op("Cast", e.op("Not", e.op("Equal", marks, e.constant(0.0, "zero"))), to=FLOAT))
        first = e.reduce("Max", gates, [2], keepdims=False)
        one = e.op("ConstantOfShape", e.op("Shape", first), value=np.ones(1, np.float32))
        before = e.op("CumSum", one, e.constant(0, "axis", np.int64), exclusive=1)
        return str(e.op("Min", before, e.constant(1.0, "one")))

    def _scan(self, e: Emitter, zeros: str, gates: str, keeps: str, weight: Blob, batch: Dim) -> str:
        size = self.size
        state_weight = e.weight(weight, "state_weight")
        with body(e) as step:
            h, c = (step.input(name, FLOAT, (batch, size)) for name in ("hidden", "cell"))
            given = step.input("input", FLOAT, (batch, 4 * size))
            keep = e.op("Unsqueeze", step.input("keep", FLOAT, (batch,)), e.ints([1], "axes"))
            total = e.op("Gemm", e.op("Mul", h, keep), state_weight, given, transB=1)
            opened, modulation = e.split(total, [3 * size, size], 1)
            i, f, o = e.split(e.op("Sigmoid", opened), [size] * 3, 1)
            kept = e.op("Mul", e.op("Mul", f, keep), c)
            cell = e.op("Add", kept, e.op("Mul", i, e.op("Tanh", modulation)))
            hidden = e.op("Mul", o, e.op("Tanh", cell))
            for value in (hidden, cell, e.op("Identity", hidden)):
                step.output(value, FLOAT, (batch, size))
        outputs = e.op("Scan", zeros, zeros, gates, keeps, outputs=3, body=step.graph("step"), num_scan_inputs=2)
        return str(outputs[2])


LAYERS: dict[str, type[Layer]] = {"Lstm": Lstm}
