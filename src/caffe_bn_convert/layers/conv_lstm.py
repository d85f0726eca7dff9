"""``ConvLSTM`` of ConvLSTM-for-Caffe and of DAVSOD (conv_lstm_layer.cpp, conv_lstm_unit_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.body import body
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.conv import Window
from caffe_bn_convert.layers.dialect import only, taken_for
from caffe_bn_convert.net.dim import Shape, fixed, is_fixed, show, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.lint.finding import Finding

GATES = ("input", "forget", "output", "modulation")


@dataclass(frozen=True, slots=True)
class Kernel:
    """The convolution that makes the gates of the input, or of the state before."""

    window: Window
    group: int
    weight_filler: Filler
    bias_filler: Filler

    @classmethod
    def read(cls, p: Any) -> Self:
        """Reads one ``lstm_conv_param``.

        Raises:
            InvalidNetError: Caffe stops at it.
        """
        pairs = [f"{name}_{axis}" for name in ("kernel", "stride", "pad") for axis in "hw"]
        given = [name for name in pairs if p.HasField(name)]
        require(not given, f"lstm_conv_param does not read {', '.join(given)}; give the values without _h and _w")
        # The unrolled net names the bias, so that it must have one.
        require(p.bias_term, "lstm_conv_param must have its bias_term")
        require(bool(p.kernel_size) and p.num_output > 0, "lstm_conv_param needs num_output and kernel_size")
        require(p.group > 0 and 4 * p.num_output % p.group == 0, f"group {p.group} does not divide the gates' channels")
        window = Window(tuple(p.kernel_size), tuple(p.stride) or (1,), tuple(p.pad) or (0,), tuple(p.dilation) or (1,))
        fillers = Filler.read(p, "weight_filler"), Filler.read(p, "bias_filler")
        return cls(window.spread(2), p.group, *fillers)

    def shape(self, rows: int, channels: int) -> Shape:
        """Of the weights."""
        require(channels % self.group == 0, f"{channels} channels are no multiple of group {self.group}")
        return (rows, channels // self.group, *self.window.kernel)

    def conv(self, e: Emitter, *inputs: str) -> str:
        """The node."""
        return str(e.op("Conv", *inputs, group=self.group, **self.window.attributes()))


@dataclass(frozen=True, slots=True)
class ConvLSTM(Layer):
    """An LSTM of pictures: the gates come of convolutions, and of the cell before (the Hadamard terms).

    Bottoms: x (T, N, C, H, W); cont (T, N), 0 where a sequence begins; the states h and c before the first step if
    ``exposed``. Tops: h of all steps, and h and c after the last one if ``exposed``.

    Attributes:
        size: the channels of a state.
        exposed: whether the states are bottoms and tops.
        of_input: the input's convolution; None where the input is ignored.
        of_state: the state's convolution.
        hadamard: axis and number of axes of the cell's weights; None without them.
        by_gate: whether each gate has blobs of its own, as ConvLSTM-for-Caffe began.
    """

    BOTTOMS = (2, 4)
    TOPS = (1, 3)
    RESTRICTIONS = (
        "no static input, no expose; without expose_hidden every run starts from state 0; Caffe keeps the state from the "
        "run before"
    )

    size: int
    exposed: bool
    of_input: Kernel | None
    of_state: Kernel
    hadamard: tuple[int, int] | None
    by_gate: bool

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``lstm_conv_param``, ``lstm_debug_param`` and ``recurrent_param``.

        Raises:
            UnsupportedError: it is another fork's layer, or has a static input, or shows what is inside.
        """
        given, more, p = source.lstm_conv_param, source.lstm_debug_param, source.recurrent_param
        only(p, ())
        if not given:
            raise UnsupportedError("ConvLSTM without lstm_conv_param is of a fork whose rules are not known")
        require(len(given) <= 2 and len({one.num_output for one in given}) == 1, "lstm_conv_param is given once, or twice "
                "with the same num_output")  # fmt: skip
        states = 2 if p.expose_hidden else 0
        if more.expose or source.bottoms == 3 + states:
            raise UnsupportedError("ConvLSTM with expose or with a static input is not supported")
        fits = source.bottoms == 2 + states and source.tops == 1 + states
        require(fits, f"it takes {2 + states} bottoms and makes {1 + states} tops here")
        kernels = [Kernel.read(_other(given, kind)) for kind in ("hidden", "input")]
        by_gate = len(source.blob_shapes or ()) > 10
        if by_gate and any(kernel.group > 1 for kernel in kernels):
            raise UnsupportedError("a ConvLSTM with a convolution for each gate and groups is not supported")
        hadamard = None if more.disable_hadamard else (more.axis_hadamard, more.num_axes_hadamard)
        return cls(
            given[0].num_output, p.expose_hidden, None if more.ignore_x else kernels[0], kernels[1], hadamard, by_gate
        )

    def remark(self) -> str | None:
        """Caffe's layer remembers, ONNX's does not."""
        if self.exposed:
            return "its state is an input and an output"
        return "every run starts from state 0; Caffe keeps the state of the forward pass before"

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("ConvLSTM-for-Caffe's", "by lstm_conv_param")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(T, N, size, H, W), and (1, N, size, H, W) for every exposed state."""
        x, cont = bottoms[:2]
        require(len(x) == 5, f"its input is {show(x)}, but must be time, batch, channels, height and width")
        require(cont == x[:2], f"cont is {show(cont)}, but must be {show(x[:2])}: time and batch of the input")
        for kernel in (self.of_input, self.of_state):
            kept = kernel is None or all(kernel.window.out(i, size) == size for i, size in enumerate(x[3:]))
            require(kept, "its convolutions must keep height and width")
        state: Shape = (1, x[1], self.size, *x[3:])
        for given in bottoms[2:]:
            require(given == state, f"a state is {show(given)}, but must be {show(state)}")
        return ((*x[:2], self.size, *x[3:]), *([state] * 2 if self.exposed else []))

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:
        """Weights of the input; weights and bias of the state; of the cell.

        With one convolution for all gates the unrolled net has four numbers more that nothing reads: its blobs of
        DummyForward, two behind the first weights and two at the end.
        """
        x = bottoms[0]
        self.shapes(bottoms)
        cells = [self._of_cell(gate, x) for gate in GATES[:3]] if self.hadamard else []
        if self.by_gate:
            state = [p for gate in GATES for p in self._of_state(f"{gate}_", self.size)]
            return (*(p for gate in GATES for p in self._of_input(f"{gate}_", self.size, x)), *state, *cells)
        unused = Parameter("unused", (1,))
        rows = 4 * self.size
        return (*self._of_input("", rows, x), unused, unused, *self._of_state("", rows), *cells, unused, unused)

    def _of_input(self, gate: str, rows: int, x: Shape) -> tuple[Parameter, ...]:
        kernel = self.of_input
        if kernel is None:
            return ()
        return (Parameter(f"{gate}input_weight", kernel.shape(rows, fixed(x[2:3])[0]), kernel.weight_filler),)

    def _of_state(self, gate: str, rows: int) -> tuple[Parameter, ...]:
        kernel = self.of_state
        weight = Parameter(f"{gate}state_weight", kernel.shape(rows, self.size), kernel.weight_filler)
        return (weight, Parameter(f"{gate}bias", (rows,), kernel.bias_filler))

    def _of_cell(self, gate: str, x: Shape) -> Parameter:
        axis, count = self.hadamard or (0, 0)
        require(
            1 < axis < 5 and axis + count <= 5, "axis_hadamard and num_axes_hadamard must be axes behind time and batch"
        )
        return Parameter(
            f"{gate}_cell_weight", fixed((1, x[1], self.size, *x[3:])[axis : axis + count]), Filler(value=1.0)
        )

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:
        """Conv for the inputs of all steps, Scan for the rest."""
        names = self._names(e, tuple(t.shape for t in x), w)
        state = self.shapes(tuple(t.shape for t in x))[0][1:]
        before = [e.op("Squeeze", given.name, e.ints([0], "axes")) for given in x[2:]] or self._zeros(e, x[0])
        steps = self._inputs(e, x[0], names["input_weight"]) if self.of_input else []
        with body(e) as step:
            h, c = (step.input(name, FLOAT, state) for name in ("hidden", "cell"))
            given = [step.input("input", FLOAT, (state[0], 4 * self.size, *state[2:])) for _ in steps]
            cont = e.op("Unsqueeze", step.input("cont", FLOAT, state[:1]), e.ints([1, 2, 3], "axes"))
            gates = self.of_state.conv(e, e.op("Mul", h, cont), *names["state_weight"], *names["bias"])
            gates = e.op("Add", gates, given[0]) if given else gates
            for value in self._step(e, gates, cont, c, names["cell_weight"]):
                step.output(value, FLOAT, state)
        *last, top = e.op(
            "Scan", *before, *steps, x[1].name, outputs=3, body=step.graph("step"), num_scan_inputs=1 + len(steps)
        )
        return [top, *(e.op("Unsqueeze", value, e.ints([0], "axes")) for value in last if self.exposed)]

    def _names(self, e: Emitter, bottoms: Shapes, w: Sequence[Blob]) -> dict[str, list[str]]:
        """What the parameters are called in ONNX: gates of their own are put together."""
        found: dict[str, list[str]] = {"cell_weight": []}
        for parameter, blob in zip(self.parameters(bottoms), w, strict=True):
            if parameter.role == "unused":
                continue
            shape = fixed(parameter.shape)
            kind = next(
                kind
                for kind in ("input_weight", "state_weight", "cell_weight", "bias")
                if parameter.role.endswith(kind)
            )
            # Behind its axes the cell's weights are broadcast.
            ends = (1,) * (5 - sum(self.hadamard or ())) if kind == "cell_weight" else ()
            found.setdefault(kind, []).append(e.weight(blob, parameter.role, (*shape, *ends)))
        if self.by_gate:
            found |= {kind: [e.op("Concat", *all_, axis=0)] for kind, all_ in found.items() if kind != "cell_weight"}
        return found

    def _zeros(self, e: Emitter, x: Tensor) -> list[str]:
        """The states before the first step."""
        shape = e.op("Concat", e.size(x, 1), e.ints([self.size], "size"), e.size(x, 3), e.size(x, 4), axis=0)
        return [e.op("ConstantOfShape", shape)] * 2

    def _inputs(self, e: Emitter, x: Tensor, weight: list[str]) -> list[str]:
        """What the inputs add to the gates, (T, N, 4·size, H, W)."""
        if self.of_input is None:
            return []
        steps, plane = x.shape[:2], x.shape[3:]
        flat = e.reshape(x.name, x.shape, (volume(steps), *x.shape[2:]))
        gates = self.of_input.conv(e, flat, *weight)
        made = (*steps, 4 * self.size, *plane)
        if not is_fixed(steps):
            sizes = [e.size(x, axis) for axis in (0, 1, 3, 4)]
            return [
                e.op("Reshape", gates, e.op("Concat", *sizes[:2], e.ints([4 * self.size], "gates"), *sizes[2:], axis=0))
            ]
        return [e.reshape(gates, (volume(steps), 4 * self.size, *plane), made)]

    def _step(self, e: Emitter, gates: str, cont: str, cell: str, weights: list[str]) -> list[str]:
        """The states h and c, and h for the top."""
        *opened, modulation = e.split(gates, [self.size] * 4, 1)
        # The cell's weights read the cell before, of the output gate, too, and where a sequence begins.
        if weights:
            opened = [
                e.op("Add", gate, e.op("Mul", cell, weight)) for gate, weight in zip(opened, weights, strict=True)
            ]
        i, f, o = (e.op("Sigmoid", gate) for gate in opened)
        kept = e.op("Mul", e.op("Mul", cont, f), cell)
        new = e.op("Add", kept, e.op("Mul", i, e.op("Tanh", modulation)))
        hidden = e.op("Mul", o, e.op("Tanh", new))
        return [hidden, new, e.op("Identity", hidden)]


def _other(given: Sequence[Any], kind: str) -> Any:
    """The first of the parameters, unless it says that it is of this kind: then the second.

    Raises:
        InvalidNetError: there is no second.
    """
    if given[0].type != kind:
        return given[0]
    require(len(given) == 2, f'the only lstm_conv_param is of type "{kind}"')
    return given[1]


LAYERS: dict[str, type[Layer]] = {"ConvLSTM": ConvLSTM}
