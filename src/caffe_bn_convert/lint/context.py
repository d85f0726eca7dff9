"""What the rules look at: the net as far as it can be understood, and no further.

read_context   prototxt, weights, training net  →  Context
               every layer a Reading: wired, typed, shaped, with its blobs; what fails on the way is a Finding
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError, InvalidNetError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Source
from caffe_bn_convert.layers.inplace import refuse_in_place
from caffe_bn_convert.layers.inputs import DataSource
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import layer_place
from caffe_bn_convert.lint.wiring import Wiring, trace
from caffe_bn_convert.net.build import InputShapes, read_layers
from caffe_bn_convert.net.crops import with_offsets
from caffe_bn_convert.net.losses import LEFT_OUT, name_losses
from caffe_bn_convert.net.weights import Located, fit, locate

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.caffemodel import Caffemodel
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.lint.wiring import Value
    from caffe_bn_convert.net.dim import Shape

_OWN_RULE = "BN004"  # needs neither weights nor shapes: looked for among the rules


@dataclass(frozen=True, slots=True)
class Reading:
    """One layer, as far as it is understood.

    Attributes:
        index: its place in the net.
        definition: its message and text.
        bottoms, tops: the values that it reads and makes.
        found: the blobs that the weights have for it.
        typed: its parameters; None where they cannot be read.
        shapes: the shapes of its bottoms; None for each that is unknown.
        fitted: its blobs in the shapes that it means; () without weights, or where they do not fit.
    """

    index: int
    definition: LayerDefinition
    bottoms: tuple[Value, ...]
    tops: tuple[Value, ...]
    found: tuple[Blob | None, ...] = ()
    typed: Layer | None = None
    shapes: tuple[Shape | None, ...] = ()
    fitted: tuple[Blob, ...] = ()

    @property
    def type(self) -> str:
        """The layer's type."""
        return self.definition.type

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.definition.name


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that rules look at.

    Attributes:
        written: the net in today's form with the layers of all states.
        net: the same with the layers of the state that is linted.
        phase: "TRAIN" or "TEST".
        readings: the layers of ``net``.
        wiring: who makes and reads what.
        weighted: whether weights were given.
        located: which blobs belong to which layer.
        inputs: shapes that the user gave.
        train: the training net in today's form, where it was given.
        findings: what was found while reading.
        layers: the layer types by Caffe's name, those of plug-ins included.
    """

    written: NetDefinition
    net: NetDefinition
    phase: str
    readings: tuple[Reading, ...]
    wiring: Wiring
    weighted: bool
    located: Located
    inputs: Mapping[str, Shape]
    train: NetDefinition | None
    findings: tuple[Finding, ...]
    layers: Mapping[str, type[Layer]]

    def readers(self, value: Value) -> list[Reading]:
        """The layers that read a value."""
        return [self.readings[index] for index in value.readers]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be linted.

    Attributes:
        sources: the weights files; empty without.
        phase: "TEST" or "TRAIN"; None takes the prototxt's, or TEST.
        level, stages: the rest of the state.
        inputs: input shapes by blob name.
        train: the training net's prototxt.
        layers: the layer types by Caffe's name; add your own with ``LAYERS | {...}``.
    """

    sources: Sequence[Caffemodel] = ()
    phase: str | None = None
    level: int = 0
    stages: Sequence[str] = ()
    inputs: Mapping[str, Shape] | None = None
    train: str | os.PathLike[str] | None = None
    layers: Mapping[str, type[Layer]] = field(default_factory=lambda: LAYERS)


def read_context(net: NetDefinition, request: Request) -> Context:
    """Understand a net as far as possible.

    Args:
        net: as it was read, not upgraded.

    Raises:
        UnreadableError: the training net cannot be read.
        InvalidNetError: the forms of layers are mixed in a way that leaves no net.
    """
    written = upgrade(net)
    phase = phase_of(written, request.phase)
    state = with_offsets(name_losses(filter_state(written, phase, request.level, tuple(request.stages))))
    located = locate(state, request.sources)
    wiring = trace(state.layers)
    reader = _Reader(state, located, wiring, phase, request)
    readings = tuple(reader.read(i) for i in range(len(state.layers)))
    train = upgrade(read_net(request.train)) if request.train is not None else None
    return Context(
        written, state, phase, readings, wiring, bool(request.sources), located, request.inputs or {}, train,
        tuple(reader.findings), request.layers,
    )  # fmt: skip


class _Reader:
    def __init__(self, net: NetDefinition, located: Located, wiring: Wiring, phase: str, request: Request) -> None:
        self.net, self.located, self.wiring, self.phase = net, located, wiring, phase
        self.inputs = InputShapes(request.inputs or {})
        self.weighted, self.layers = bool(request.sources), request.layers
        self.shapes: dict[int, Shape] = {}  # by identity of the value
        self.findings: list[Finding] = []
        for value in wiring.values:
            if value.maker is None and value.blob in self.inputs.given:
                self.shapes[id(value)] = self.inputs.given[value.blob]

    def read(self, index: int) -> Reading:
        definition, found = self.net.layers[index], self.located.blobs[index]
        bottoms = self.wiring.bottoms[index]
        reading = Reading(index, definition, bottoms, self.wiring.tops[index], found)
        reading = replace(reading, shapes=tuple(self.shapes.get(id(value)) for value in bottoms))
        try:
            reading = replace(reading, typed=self._typed(definition, found))
            return self._shaped(reading)
        except InvalidNetError as error:
            self._note("NET005" if _is_about_memory(error, definition) else "NET016", error, reading)
        except ConversionError as error:
            if definition.type not in LEFT_OUT:
                self._note("NET015", error, reading)
        return reading

    def _typed(self, definition: LayerDefinition, found: tuple[Blob | None, ...]) -> Layer:
        single = replace(self.net, layers=(definition,))
        typed, _ = read_layers(single, Located((found,)), self.layers, self.phase)
        return typed[0]

    def _shaped(self, reading: Reading) -> Reading:
        """Tell the shapes of the tops, and fit the blobs."""
        layer = reading.typed
        assert layer is not None
        if isinstance(layer, DataSource):
            self._feed(reading, layer)
            return reading
        given = tuple(shape for shape in reading.shapes if shape is not None)
        if len(given) != len(reading.bottoms):
            return reading
        expected = layer.parameters(given)
        for value, shape in zip(reading.tops, layer.shapes(given), strict=True):
            self.shapes[id(value)] = shape
        if self.weighted:
            reading = self._fit(reading, layer, given, expected)
        elif not expected:
            self._take(layer.findings(given, ()), reading)
        return reading

    def _feed(self, reading: Reading, layer: DataSource) -> None:
        for value, shape in zip(reading.tops, layer.top_shapes(len(reading.tops)), strict=True):
            if value.blob in self.inputs.given or shape is not None:
                self.shapes[id(value)] = self.inputs.resolve(value.blob, shape)

    def _fit(self, reading: Reading, layer: Layer, given: tuple[Shape, ...], expected: Sequence[object]) -> Reading:
        normalises = reading.type == "BatchNorm"
        if normalises and not any(reading.found):
            self._note("BN012", InvalidNetError("the weights have no blobs for it"), reading)
            return reading
        try:
            blobs, findings = fit(reading.found, expected)  # type: ignore[arg-type]
        except InvalidNetError as error:
            fits = "BN011" if normalises and len(reading.found) == len(expected) else "NET012"
            self._note(fits if any(reading.found) else "NET001", error, reading)
            return reading
        self._take(findings, reading)
        if any(finding.code == "NET001" for finding in findings):
            return reading  # made-up numbers are not worth looking at
        self._take(layer.findings(given, blobs), reading)
        return replace(reading, fitted=blobs)

    def _note(self, code: str, error: ConversionError, reading: Reading) -> None:
        place = layer_place(reading.definition, self.net)
        self.findings += [Finding(code, problem.what, problem.where.filled(place)) for problem in error.problems]

    def _take(self, findings: Iterable[Finding], reading: Reading) -> None:
        place = layer_place(reading.definition, self.net)
        self.findings += [
            replace(finding, where=finding.where.filled(place))
            for finding in findings
            if finding.code != _OWN_RULE or reading.type != "BatchNorm"
        ]


def _is_about_memory(error: InvalidNetError, definition: LayerDefinition) -> bool:
    """Whether a layer was refused for working in place, which has a rule of its own."""
    try:
        refuse_in_place(Source(definition))
    except InvalidNetError as refusal:
        return [problem.what for problem in error.problems] == [problem.what for problem in refusal.problems]
    return False
