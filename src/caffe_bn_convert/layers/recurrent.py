"""LSTM and RNN as ONNX Scan, with Caffe's sequence continuation indicators (recurrent_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from caffe_bn_convert.export.body import body
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.net.dim import Shape, show, volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class Recurrent(Layer):
    """What LSTM and RNN share.

    Bottoms: x (T, N, …); cont (T, N), 0 where a sequence begins; perhaps a static input (N, …) for every step; the
    states before the first step if ``exposed``. Tops: (T, N, H), and the states after the last step if ``exposed``.

    Attributes:
        size: H, the length of output and state.
        exposed: whether the states are bottoms and tops.
        static: whether there is a static input.
    """

    BOTTOMS = (2, 5)
    TOPS = (1, 3)
    RESTRICTIONS = "without expose_hidden every run starts from state 0; Caffe keeps the state from the run before"
    STATES: ClassVar[int]
    GATES: ClassVar[int]

    size: int
    exposed: bool
    static: bool
    weight_filler: Filler
    bias_filler: Filler

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``recurrent_param``."""
        p = source.recurrent_param
        only(p, ())
        require(p.num_output > 0, "recurrent_param needs num_output")
        states = cls.STATES if p.expose_hidden else 0
        least = 2 + states
        require(
            source.bottoms in (least, least + 1), f"it has {source.bottoms} bottoms, but takes {least} or {least + 1}"
        )
        require(source.tops == 1 + states, f"it has {source.tops} tops, but makes {1 + states}")
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(p.num_output, p.expose_hidden, source.bottoms == least + 1, *fillers)

    def remark(self) -> str | None:
        """Caffe's layer remembers, ONNX's does not."""
        if self.exposed:
            return "its state is an input and an output"
        return "every run starts from state 0; Caffe keeps the state of the forward pass before"

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Weights and bias of the input, weights of the static input, weights of the state."""
        self.shapes(bottoms)
        rows = self.GATES * self.size
        given = [Parameter("input_weight", (rows, volume(bottoms[0][2:])), self.weight_filler)]
        given.append(Parameter("bias", (rows,), self.bias_filler))
        if self.static:
            given.append(Parameter("static_weight", (rows, volume(bottoms[2][1:])), self.weight_filler))
        return (*given, Parameter("state_weight", (rows, self.size), self.weight_filler))

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(T, N, H), and (1, N, H) for every exposed state."""
        x, cont = bottoms[:2]
        require(len(x) >= 3, f"its input has {len(x)} axes, but takes time, batch and at least one more")
        require(cont == x[:2], f"cont is {show(cont)}, but must be {show(x[:2])}: time and batch of the input")
        state: Shape = (1, x[1], self.size)
        if self.static:
            fits = len(bottoms[2]) >= 2 and bottoms[2][0] == x[1]
            require(fits, f"the static input is {show(bottoms[2])}, but must begin with the batch, {x[1]}")
        for given in bottoms[2 + self.static :]:
            require(given == state, f"a state is {show(given)}, but must be {show(state)}")
        return ((*x[:2], self.size), *([state] * self.STATES if self.exposed else []))

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """MatMul for the inputs of all steps, Scan for the rest."""
        steps = self._inputs(e, x, w)
        states = self._before(e, x)
        weight = e.weight(w[2 + self.static], "state_weight")
        batch = x[0].shape[1]
        with body(e) as step:
            old = [step.input("state", FLOAT, (batch, self.size)) for _ in states]
            given = step.input("input", FLOAT, (batch, self.GATES * self.size))
            cont = e.op("Unsqueeze", step.input("cont", FLOAT, (batch,)), e.ints([1], "axes"))
            gates = e.op("Gemm", e.op("Mul", old[0], cont), weight, given, transB=1)
            new = self._step(e, gates, cont, old)
            for value in (*new, e.op("Identity", new[0])):
                step.output(value, FLOAT, (batch, self.size))
        *last, output = e.op(
            "Scan", *states, steps, x[1].name, outputs=len(states) + 1, body=step.graph("step"), num_scan_inputs=2
        )
        tops = [self._output(e, output, w)]
        return tops + ([e.op("Unsqueeze", state, e.ints([0], "axes")) for state in last] if self.exposed else [])

    def _inputs(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> str:
        """What the inputs add to the gates, (T, N, gates × H)."""
        shape = x[0].shape
        flat = e.reshape(x[0].name, shape, (*shape[:2], volume(shape[2:])))
        value = _times(e, flat, e.weight(w[0], "input_weight"))
        value = e.op("Add", value, e.weight(w[1], "bias"))
        if not self.static:
            return str(value)
        # The static input has no bias of its own.
        return str(e.op("Add", value, _times(e, e.flatten_to(x[2], 1), e.weight(w[2], "static_weight"))))

    def _before(self, e: Emitter, x: Sequence[Tensor]) -> list[str]:
        """The states before the first step."""
        if self.exposed:
            return [e.op("Squeeze", state.name, e.ints([0], "axes")) for state in x[2 + self.static :]]
        shape = e.op("Concat", e.size(x[0], 1), e.ints([self.size], "size"), axis=0)
        return [e.op("ConstantOfShape", shape)] * self.STATES

    def _step(self, e: Emitter, gates: str, cont: str, old: list[str]) -> list[str]:
        raise NotImplementedError

    def _output(self, e: Emitter, hidden: str, w: Sequence[Blob]) -> str:  # noqa: ARG002
        return hidden


def _times(e: Emitter, x: str, weight: str) -> str:
    return str(e.op("MatMul", x, e.op("Transpose", weight, perm=[1, 0])))


@dataclass(frozen=True, slots=True)
class LSTM(Recurrent):
    """Long short-term memory; the gates are stored in the order input, forget, output, input modulation.

    Source: lstm_layer.cpp and lstm_unit_layer.cpp.
    """

    STATES = 2
    GATES = 4

    def _step(self, e: Emitter, gates: str, cont: str, old: list[str]) -> list[str]:
        size = self.size
        opened, modulation = e.split(gates, [3 * size, size], 1)
        i, f, o = e.split(e.op("Sigmoid", opened), [size] * 3, 1)
        kept = e.op("Mul", e.op("Mul", cont, f), old[1])
        cell = e.op("Add", kept, e.op("Mul", i, e.op("Tanh", modulation)))
        return [e.op("Mul", o, e.op("Tanh", cell)), cell]


@dataclass(frozen=True, slots=True)
class RNN(Recurrent):
    """A plain recurrent layer; its top is not the state but a second layer of neurons over it (rnn_layer.cpp)."""

    STATES = 1
    GATES = 1

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Behind the others weights and bias of the output."""
        own = Parameter("output_weight", (self.size, self.size), self.weight_filler)
        bias = Parameter("output_bias", (self.size,), self.bias_filler)
        return (*Recurrent.parameters(self, bottoms), own, bias)

    def _step(self, e: Emitter, gates: str, cont: str, old: list[str]) -> list[str]:  # noqa: ARG002
        return [e.op("Tanh", gates)]

    def _output(self, e: Emitter, hidden: str, w: Sequence[Blob]) -> str:
        value = _times(e, hidden, e.weight(w[-2], "output_weight"))
        return str(e.op("Tanh", e.op("Add", value, e.weight(w[-1], "output_bias"))))


LAYERS: dict[str, type[Layer]] = {"LSTM": LSTM, "RNN": RNN}
