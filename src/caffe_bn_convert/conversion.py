"""The library's front door: :func:`convert`, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.collector import collector_off
from caffe_bn_convert.errors import InvalidNetError, UsageError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.net.build import InputShapes, build, judge
from caffe_bn_convert.net.custom import known_by, without_custom
from caffe_bn_convert.net.cut import cut_at_raw as cut
from caffe_bn_convert.net.cut import end_behind
from caffe_bn_convert.net.dialects import take_dialects
from caffe_bn_convert.net.dim import Symbol
from caffe_bn_convert.net.losses import leave_out_losses, name_losses
from caffe_bn_convert.net.outputs import expose_blobs
from caffe_bn_convert.net.passes import PASSES, fold_batchnorm
from caffe_bn_convert.net.passes.fold_into_conv import fold_into_conv
from caffe_bn_convert.net.passes.preprocess import input_of, preprocess
from caffe_bn_convert.net.sources import unknown_sources_as_inputs
from caffe_bn_convert.net.weights import Located, locate

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import onnx

    from caffe_bn_convert.caffe.caffemodel import Caffemodel
    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.export.model import Model
    from caffe_bn_convert.export.precision import Loss
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.dim import Dim, Shape
    from caffe_bn_convert.net.ir import Graph
    from caffe_bn_convert.net.losses import Note
    from caffe_bn_convert.preprocessing import Preprocessing
    from caffe_bn_convert.verify import Options, Report
    from caffe_bn_convert.verify.oracle.layer import Rule

    PathLike = str | os.PathLike[str]

DEFAULT_OPSET = 17


@dataclass(frozen=True)
class Conversion:
    """A net on its way from Caffe to ONNX; no weight has been decoded yet that only needs copying.

    Attributes:
        net: the net in today's form, with the layers of its state.
        sources: the weights files.
        located: which of their blobs belong to which layer of ``net``.
        phase: "TEST" or "TRAIN".
        graph: the typed graph after the passes.
        opset: version of the ONNX operators.
        findings: what is suspicious but was allowed, or need not stop.
        notes: what was left out or deserves a word.
        preprocessing: what stands in front of the net, with its input named; None for nothing.
        oracle: rules of the user's own, by which their layer types are verified.
        precision: "float32", "float16-weights" (stored so, computed in float32) or "float16".
        simplify: let onnxslim simplify the model.
    """

    net: NetDefinition
    sources: tuple[Caffemodel, ...]
    located: Located
    phase: str
    graph: Graph
    opset: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    preprocessing: Preprocessing | None = None
    oracle: Mapping[str, Rule] = field(default_factory=dict)
    precision: str = "float32"
    simplify: bool = False

    @property
    def metadata(self) -> dict[str, str]:
        """What the ONNX file says of the choices that were made, besides the digests of the sources."""
        told = self.preprocessing.metadata(str(self.preprocessing.input)) if self.preprocessing is not None else {}
        if self.precision != "float32":
            from caffe_bn_convert.export.precision import metadata

            told |= metadata(self.precision, self.losses)
        return told

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        """How far each output of a float16 form is from the float32 form; empty for float32. Runs both."""
        from caffe_bn_convert.export.precision import losses

        return losses(self) if self.precision != "float32" else ()

    @cached_property
    @collector_off()
    def model(self) -> Model:
        """The ONNX model, its weights still in the weights file; checked by ``onnx.checker``."""
        from caffe_bn_convert.export.model import check, emit
        from caffe_bn_convert.export.precision import in_precision

        model = emit(self.graph, self.opset)
        if self.simplify:
            from caffe_bn_convert.export.simplify import simplified

            model = simplified(model)
        model = in_precision(model, self.precision)
        check(model)
        return model

    @property
    def provable(self) -> Conversion:
        """The same in float32 without nodes of a custom domain, which cannot be run here: their tops are inputs instead."""
        net, graph = without_custom(self.net, self.graph)
        if graph is self.graph and self.precision == "float32":
            return self
        return replace(self, net=net, graph=graph, precision="float32")

    def save(
        self,
        path: PathLike,
        weights: str = "embed",
        *,
        provenance: str = "sha256",
        progress: Callable[[int], None] = lambda _: None,
        verify: bool | Options = True,
        keep_failed: bool = False,
        tell: Callable[[Report], object] = lambda _: None,
    ) -> Path | None:
        """Write the ONNX file; it appears whole, and proven to compute what Caffe computes, or not at all.

        Args:
            path: where to.
            weights: "embed" one file (from 2 GiB on "external"); "external" the numbers in ``<path>.<digest>.data``;
                "in-place" the numbers stay in the caffemodel, which must lie in the folder of ``path`` or below.
            provenance: "sha256" records the digests of the sources in the metadata, "none" does not.
            progress: called with numbers of bytes as they are written.
            verify: False puts the file in place unproven; options say how to prove.
            keep_failed: keep a file that is not right as ``<path>.failed``.
            tell: called with the report of the proof, whatever it says.

        Returns:
            the data file beside the model, if there is one.

        Raises:
            CannotWriteError: the folder or the disk refuses.
            UsageError: "in-place" is not possible here.
            VerificationError: the file does not compute what Caffe computes; ``error.report`` says where it goes wrong.
            ProviderError: the execution provider of the options did not run.
        """
        from caffe_bn_convert.export.save import written

        with written(self, Path(path), weights, provenance, progress) as pending:
            if verify is not False:
                from caffe_bn_convert.verify.ours import prove_pending

                prove_pending(self, pending, None if verify is True else verify, keep_failed=keep_failed, tell=tell)
            pending.commit()
        return pending.data

    def verify(self, path: PathLike, options: Options | None = None) -> Report:
        """Prove that a file that :meth:`save` wrote computes what Caffe computes.

        Args:
            path: the file.
            options: how; see :class:`caffe_bn_convert.verify.Options`.

        Returns:
            the report; look at ``report.passed``.

        Raises:
            ProviderError: the execution provider of the options did not run.
            UnsupportedError: a layer of a type that only a plug-in knows, without a rule for the oracle.
        """
        from caffe_bn_convert.verify import verify

        return verify(self, path, options)

    def to_onnx(self) -> onnx.ModelProto:
        """The model in memory, weights and all.

        Raises:
            ValueError: it is 2 GiB or more, which a protobuf message cannot hold; use :meth:`save` with
                ``weights="external"`` then.
        """
        from caffe_bn_convert.export.save import in_memory

        return in_memory(self)


@collector_off()
def convert(
    prototxt: PathLike,
    weights: PathLike | Sequence[PathLike] | None = None,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    opset: int = DEFAULT_OPSET,
    allow: str | Iterable[str] = (),
    keep_losses: bool = False,
    as_deploy: bool = False,
    batch: int | str | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    until: Sequence[str] = (),
    expose: Sequence[str] = (),
    fold: bool = True,
    fold_conv: bool = False,
    preprocessing: Preprocessing | None = None,
    precision: str = "float32",
    simplify: bool = False,
    layers: Mapping[str, type[Layer]] = LAYERS,
    oracle: Mapping[str, Rule] | None = None,
    custom_domain: str | None = None,
    cut_at_raw: bool = False,
    dialects: Mapping[str, str] | None = None,
) -> Conversion:
    """Convert a Caffe net.

    Args:
        prototxt: the deploy prototxt (a training one will do, if its shapes can be told).
        weights: the caffemodel (or ``.caffemodel.h5``); several are loaded one after the other, as Caffe does with
            ``a.caffemodel,b.caffemodel``; None for a net without parameters.
        phase: "TEST" or "TRAIN"; default is the prototxt's state, else "TEST".
        level, stages: the rest of the state that ``include`` and ``exclude`` rules look at.
        opset: version of the ONNX operators.
        allow: codes or names of rules that need not stop the conversion, or "all".
        keep_losses: compute losses and Accuracy instead of leaving them out.
        as_deploy: convert what ``deploy`` makes of a training prototxt.
        batch: first dimension of every input: a number, or "dynamic".
        shapes: input shapes by blob name; a string is the name of a dynamic axis.
        until: blobs at which the net ends; they are the outputs.
        expose: blobs inside the net that become outputs too.
        fold: False keeps BatchNorm and Scale apart.
        fold_conv: put BatchNorm, Scale and Bias into the weights of the layer before them.
        preprocessing: what to do to pictures in front of the net.
        precision: "float32"; "float16-weights" stores the weights so; "float16" computes in it, too.
        simplify: let onnxslim simplify the model, if it is installed.
        layers: the layer types; add your own with ``LAYERS | {...}``.
        oracle: NumPy rules for types of your own, by which they are verified.
        custom_domain: write layers of unknown types as nodes of this domain; ``shapes`` tells what their tops are.
        cut_at_raw: end detectors in front of the suppression of boxes: locations, confidences and priors are outputs.
        dialects: by layer or type, whose of several layers of one name is meant (:data:`~.net.dialects.DIALECTS`).

    Raises:
        UnreadableError: a file cannot be read for what it should be.
        UnsupportedError: layers or parameters without a rendering in ONNX; all of them.
        InvalidNetError: Caffe would refuse the net or its weights.
        RefusedError: suspicious findings that ``allow`` does not name.
        UsageError: options that make no sense together.
    """
    sources = tuple(caffemodel.read(path) for path in weight_files(weights))
    net = read_net(prototxt)
    changes: Sequence[Note] = ()
    if as_deploy:
        from caffe_bn_convert.deploy import as_deployed

        net, changes = as_deployed(net, phase, level, stages, batch, shapes)
        phase = "TEST"
    net = upgrade(net)
    phase = phase_of(net, phase)
    net = filter_state(net, phase, level, tuple(stages))
    net, notes = (name_losses(net), []) if keep_losses else leave_out_losses(net)
    net = take_dialects(end_behind(net, until), dialects or {})
    if cut_at_raw:
        net, said = cut(net)
        notes = [*notes, *said]
    located = locate(net, sources)
    inputs = input_shapes(batch, shapes)
    if custom_domain is not None:
        layers, inputs, said = known_by(custom_domain, net, layers, inputs)
        notes = [*notes, *said]
    net = unknown_sources_as_inputs(net, layers, inputs.given)
    graph, findings = build(net, located, layers, phase=phase, inputs=inputs)
    findings = judge(findings, [allow] if isinstance(allow, str) else allow)
    graph = expose_blobs(graph, until, expose)
    if not graph.outputs:
        raise InvalidNetError(
            "the net has no outputs: every blob is an input or read by a layer", hint="is it cut off?"
        )
    for run in PASSES:
        if fold or run is not fold_batchnorm:
            graph = run(graph)
    if fold_conv:
        graph = fold_into_conv(graph)
    if preprocessing is not None:
        preprocessing = replace(preprocessing, input=input_of(graph, preprocessing.input))
        graph = preprocess(graph, preprocessing)
    return Conversion(
        net, sources, located, phase, graph, opset, tuple(findings), (*changes, *notes), preprocessing, oracle or {},
        precision, simplify,
    )  # fmt: skip


def shapes(
    prototxt: PathLike,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    keep_losses: bool = True,
    batch: int | str | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    layers: Mapping[str, type[Layer]] = LAYERS,
) -> Graph:
    """The typed graph of a prototxt with the shape of every value, without weights. Arguments as for :func:`convert`."""
    net = upgrade(read_net(prototxt))
    phase = phase_of(net, phase)
    net = filter_state(net, phase, level, tuple(stages))
    net = name_losses(net) if keep_losses else leave_out_losses(net)[0]
    located = Located(((),) * len(net.layers))
    inputs = input_shapes(batch, shapes)
    net = unknown_sources_as_inputs(net, layers, inputs.given)
    graph, _ = build(net, located, layers, phase=phase, inputs=inputs, weights_needed=False)
    return graph


def weight_files(weights: PathLike | Sequence[PathLike] | None) -> list[Path]:
    """The weight files of the argument; a string may list several, separated by commas."""
    if weights is None:
        return []
    if isinstance(weights, str) and not Path(weights).exists():
        return [Path(part) for part in weights.split(",")]
    if isinstance(weights, (list, tuple)):
        return [Path(part) for part in weights]
    return [Path(weights)]  # type: ignore[arg-type]


def input_shapes(batch: int | str | None, shapes: Mapping[str, Sequence[int | str]] | None) -> InputShapes:
    """The user's shapes with strings as symbols."""
    given: dict[str, Shape] = {}
    for name, dims in (shapes or {}).items():
        given[name] = tuple(_dim(dim) for dim in dims)
    return InputShapes(given, Symbol.named("N") if batch == "dynamic" else None if batch is None else _dim(batch))


def _dim(value: Any) -> Dim:
    if isinstance(value, str):
        if value.isidentifier():
            return Symbol.named(value)
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise UsageError(f'"{value}" is neither a size nor a name for a dynamic axis')
        value = int(value)
    if not hasattr(value, "__index__") or value < 1:
        raise UsageError(f"{value} is no size for an axis")
    return int(value)


__all__ = ["Conversion", "convert", "shapes"]
