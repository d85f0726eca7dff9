"""From the net as it is written to the typed graph: wiring, parameters, blobs and the shape of every value."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import (
    ConversionError,
    InvalidNetError,
    Problem,
    UnsupportedError,
    UsageError,
    Where,
    at,
)
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Identity, Layer, SharedMemory, Source
from caffe_bn_convert.layers.inputs import DataSource
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.crops import of_two_meanings, with_offsets
from caffe_bn_convert.net.dim import volume
from caffe_bn_convert.net.ir import Graph, Node
from caffe_bn_convert.net.limits import check_blob, require_fillable
from caffe_bn_convert.net.weights import fit, to_fill
from caffe_bn_convert.net.wiring import wire
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.net.dim import Dim, Shape
    from caffe_bn_convert.net.weights import Located
    from caffe_bn_convert.net.wiring import View


@dataclass(frozen=True, slots=True)
class InputShapes:
    """What the user says about the inputs' shapes.

    Attributes:
        given: shapes by blob name; they win over the prototxt's.
        batch: the first dimension of every other input; None leaves the prototxt's.
    """

    given: Mapping[str, Shape] = field(default_factory=dict)
    batch: Dim | None = None

    def resolve(self, name: str, shape: Shape | None) -> Shape:
        """The shape of input ``name``, whose own shape is ``shape`` (None if the prototxt does not tell).

        Raises:
            InvalidNetError: nobody says.
        """
        if name in self.given:
            return self.given[name]
        if shape is None:
            raise InvalidNetError(
                f'the prototxt does not tell the shape of input "{name}"',
                hint=f"add --shape {name}=1x3x224x224, with the size that the net was made for",
            )
        return (self.batch, *shape[1:]) if self.batch is not None and shape else shape


@stage("build")
def build(
    net: NetDefinition,
    located: Located,
    layers: Mapping[str, type[Layer]],
    *,
    phase: str,
    inputs: InputShapes | None = None,
    weights_needed: bool = True,
) -> tuple[Graph, list[Finding]]:
    """Build the graph of a net that is in today's form and holds only the layers of its state.

    Args:
        net: the net.
        located: its weights.
        layers: the layer types by Caffe's name.
        phase: "TRAIN" or "TEST".
        inputs: shapes that the user gives.
        weights_needed: False infers shapes only; nodes then have no blobs.

    Returns:
        the graph, and everything suspicious but legal.

    Raises:
        UnsupportedError: types, parameters or fields without a rendering; all of them.
        InvalidNetError: Caffe would refuse the net or its weights.
    """
    net = with_offsets(net)
    with at(Where(file=net.file)):
        try:
            typed, findings = read_layers(net, located, layers, phase)
        except ConversionError as error:
            error.problems += _misspelt(net, error.problems)
            raise
        findings += [finding for _, finding in of_two_meanings(net.layers)]
        findings = [replace(finding, where=finding.where.filled(Where(file=net.file))) for finding in findings]
        wires = wire(net.layers, [isinstance(layer, DataSource) for layer in typed])
        builder = _Builder(net, inputs or InputShapes(), findings, weights_needed=weights_needed)
        views = list(wires.views)
        for i, layer in enumerate(typed):
            builder.add_views(views, i)
            with at(net.layers[i].where):
                builder.add(net.layers[i], layer, wires.bottoms[i], wires.tops[i], located.blobs[i])
        builder.add_views(views, len(typed))
        builder.check_given_shapes()
        return builder.graph(wires.unread), builder.findings


def read_layers(
    net: NetDefinition, located: Located, layers: Mapping[str, type[Layer]], phase: str
) -> tuple[list[Layer], list[Finding]]:
    """Read every layer's parameters, and report everything that cannot be read at once."""
    typed: list[Layer] = []
    findings: list[Finding] = []
    errors: list[ConversionError] = []
    for definition, blobs in zip(net.layers, located.blobs, strict=True):
        try:
            with at(definition.where):
                typed.append(
                    _read(definition, tuple(b.shape for b in blobs if b is not None) if blobs else None, layers, phase)
                )
                if layers[definition.type] is LAYERS.get(definition.type):
                    findings += (*_unknown_fields(definition), *quantised(definition, phase))
        except ConversionError as error:
            errors.append(error)
    if errors:
        problems = [problem for error in errors for problem in error.problems]
        kind = UnsupportedError if any(isinstance(error, UnsupportedError) for error in errors) else type(errors[0])
        raise kind(problems=problems)
    return typed, findings


def _read(
    definition: LayerDefinition,
    shapes: tuple[tuple[int, ...], ...] | None,
    layers: Mapping[str, type[Layer]],
    phase: str,
) -> Layer:
    cls = layers.get(definition.type)
    if cls is None:
        from caffe_bn_convert.layers.catalogue import NOT_SUPPORTED

        near = difflib.get_close_matches(definition.type, layers, n=1)
        meant = f'did you mean "{near[0]}"? ' if near else ""
        raise UnsupportedError(
            f'layer type "{definition.type}" is not supported',
            hint=NOT_SUPPORTED.get(
                definition.type,
                f"{meant}`caffe-bn-convert layers` lists what is; a plug-in can add it (docs/custom-layers.md)",
            ),
        )
    source = Source(definition, _own_phase(definition, phase), shapes)
    _count("bottom", source.bottoms, cls.BOTTOMS)
    _count("top", source.tops, cls.TOPS)
    return cls.read(source)


def quantised(definition: LayerDefinition, phase: str) -> list[Finding]:
    """QUANT001. Source: Intel's mkldnn_convolution_layer.cpp and mkldnn_inner_product_layer.cpp, in TEST only."""
    if not definition.parameter.HasField("quantization_param") or _own_phase(definition, phase) == "TRAIN":
        return []
    return [Finding("QUANT001", "it is quantised to integers (quantization_param)", definition.where())]


def _own_phase(definition: LayerDefinition, phase: str) -> str:
    parameter = definition.parameter
    return ("TRAIN", "TEST")[parameter.phase] if parameter.HasField("phase") else phase


def _count(what: str, count: int, bounds: tuple[int, int | None]) -> None:
    least, most = bounds
    if count < least or (most is not None and count > most):
        wanted = str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        raise InvalidNetError(f"it has {count} {what}s, but takes {wanted}")


def _misspelt(net: NetDefinition, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Unknown fields of layers that cannot be read: what a layer lacks may be among them, misspelt."""
    failed = {problem.where.layer for problem in problems}
    return tuple(
        Problem(finding.what, where=finding.where, code="NET003 unknown-field:")
        for definition in net.layers
        if definition.name in failed and definition.type in LAYERS
        for unknown, finding in zip(definition.unknown, _unknown_fields(definition), strict=True)
        if unknown.hint
    )


def _unknown_fields(definition: LayerDefinition) -> list[Finding]:
    where = definition.where()
    return [
        Finding("NET003", f'the field "{unknown.path}" is not known to Caffe or any of its forks'
                          f"{'; ' + unknown.hint if unknown.hint else ''}",
                replace(where, line=unknown.field.line, column=unknown.field.column))
        for unknown in definition.unknown
    ]  # fmt: skip


class _Builder:
    def __init__(
        self, net: NetDefinition, inputs: InputShapes, findings: list[Finding], *, weights_needed: bool
    ) -> None:
        self.net, self.inputs, self.findings = net, inputs, findings
        self.weights_needed = weights_needed
        self.shapes: dict[str, Shape] = {}
        self.nodes: list[Node] = []
        self.fed: list[str] = []
        self.filled = 0  # how many numbers fillers have made

    def add(
        self,
        definition: LayerDefinition,
        layer: Layer,
        bottoms: tuple[str, ...],
        tops: tuple[str, ...],
        found: Sequence[Blob | None],
    ) -> None:
        """Check one layer, infer its shapes and make its node."""
        if isinstance(layer, DataSource):
            for name, shape in zip(tops, layer.top_shapes(len(tops)), strict=True):
                self.shapes[name] = self.inputs.resolve(name, shape)
                check_blob(self.shapes[name], f'blob "{name}"')
                self.fed.append(name)
            return
        given = tuple(self.shapes[name] for name in bottoms)
        expected = layer.parameters(given)
        where = definition.where(self.net.file)
        for parameter in expected:
            check_blob(parameter.shape, f"the {parameter.role}")
        self._take_shapes(definition, given, tops, layer.shapes(given))
        blobs: tuple[Blob, ...] = ()
        if self.weights_needed:
            self.filled += to_fill(found, expected)
            require_fillable(self.filled)
            blobs, findings = fit(found, expected)
            findings += layer.findings(given, blobs)
            self.findings += [replace(finding, where=finding.where.filled(where)) for finding in findings]
        self.nodes.append(Node(definition.name, definition.type, layer, bottoms, tops, blobs, where))

    def _take_shapes(
        self, definition: LayerDefinition, given: Sequence[Shape], tops: Sequence[str], shapes: Sequence[Shape]
    ) -> None:
        """Note the shapes of a layer's tops; one that lies in its bottom's memory must fit there."""
        blobs = zip(definition.parameter.bottom, given, strict=True)
        held = {blob: volume(shape) for blob, shape in blobs}
        for blob, name, shape in zip(definition.parameter.top, tops, shapes, strict=True):
            check_blob(shape, f'blob "{name}"')
            if held.get(blob, volume(shape)) != volume(shape):
                raise InvalidNetError(
                    f'it works in place on "{blob}", but its top has another size',
                    hint="give its top a name of its own",
                )
            self.shapes[name] = shape

    def add_views(self, views: list[View], index: int) -> None:
        """Add the views that are needed before layer ``index``."""
        while views and views[0].before == index:
            view = views.pop(0)
            shape = self.shapes[view.top] = self.shapes[view.shaped_like]
            same = shape == self.shapes[view.bottom]
            layer = Identity() if same else SharedMemory(shape)
            self.nodes.append(
                Node(f"{view.top}/view", "Split" if same else "Reshape", layer, (view.bottom,), (view.top,))
            )

    def check_given_shapes(self) -> None:
        """A --shape for something that is no input is a mistake."""
        for name in self.inputs.given:
            if name not in self.fed:
                told = f"the inputs are {', '.join(self.fed)}" if self.fed else "the net has no inputs"
                raise UsageError(f'--shape names "{name}", which is no input; {told}')

    def graph(self, unread: Iterable[str]) -> Graph:
        """The graph so far; its outputs are what nobody reads, inputs excepted."""
        outputs = tuple(name for name in unread if name not in set(self.fed))
        return Graph(self.net.name, tuple(self.fed), outputs, tuple(self.nodes), self.shapes)
