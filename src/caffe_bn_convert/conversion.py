"""What a conversion is: a net on its way from Caffe to ONNX."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe.opening import kept_open
from caffe_bn_convert.collector import collector_off

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import onnx

    from caffe_bn_convert.caffe.caffemodel import Caffemodel
    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.export.model import Model
    from caffe_bn_convert.export.precision import Loss
    from caffe_bn_convert.lint.finding import Finding
    from caffe_bn_convert.net.ir import Graph
    from caffe_bn_convert.net.losses import Note
    from caffe_bn_convert.net.weights import Located
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

    def __repr__(self) -> str:
        """Short: weights have no place in a notebook's output."""
        inputs, outputs = (", ".join(names) for names in (self.graph.inputs, self.graph.outputs))
        return f"<Conversion of {self.net.file}: {inputs} -> {outputs}, {len(self.graph.nodes)} nodes, {self.phase}>"

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
        if self.precision == "float32":
            return ()
        from caffe_bn_convert.export.precision import losses

        return losses(self)

    @cached_property
    @collector_off()
    @kept_open()
    def model(self) -> Model:
        """The ONNX model, its weights still in the weights file; checked by ``onnx.checker``."""
        from caffe_bn_convert.export.model import check, emit

        model = emit(self.graph, self.opset)
        if self.simplify:
            from caffe_bn_convert.export.simplify import simplified

            model = simplified(model)
        if self.precision != "float32":
            from caffe_bn_convert.export.precision import in_precision

            model = in_precision(model, self.precision)
        check(model)
        return model

    @property
    def provable(self) -> Conversion:
        """The same in float32 without nodes of a custom domain, which cannot be run here: their tops are inputs instead."""
        from caffe_bn_convert.net.custom import without_custom

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
        verify: bool | Options = False,
        keep_failed: bool = False,
        tell: Callable[[Report], object] = lambda _: None,
    ) -> Path | None:
        """Write the ONNX file; it appears whole, or not at all.

        Args:
            path: where to.
            weights: "embed" one file (from 2 GiB on "external"); "external" the numbers in ``<path>.<digest>.data``;
                "in-place" the numbers stay in the caffemodel, which must lie in the folder of ``path`` or below.
            provenance: "sha256" records the digests of the sources in the metadata, "none" does not.
            progress: called with numbers of bytes as they are written.
            verify: True proves the file before it is put in place, as the command does; options say how to.
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

    def verify(self, path: PathLike | None = None, options: Options | None = None, **choices: Any) -> Report:
        """Prove that the ONNX file computes what Caffe computes.

        Args:
            path: a file that :meth:`save` wrote; None writes one to a temporary folder.
            options: how; see :class:`caffe_bn_convert.verify.Options`.
            choices: single options by name, such as ``provider="cuda"`` or ``seed=7``.

        Returns:
            the report; look at ``report.passed``.

        Raises:
            ProviderError: the execution provider of the options did not run.
            UnsupportedError: a layer of a type that only a plug-in knows, without a rule for the oracle.
            UsageError: there is no such option.
        """
        from tempfile import TemporaryDirectory

        from caffe_bn_convert.verify import chosen, verify

        options = chosen(options, choices)
        if path is not None:
            return verify(self, path, options)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            self.save(file, provenance="none")
            return verify(self, file, options, name="the model")

    def to_onnx(self) -> onnx.ModelProto:
        """The model in memory, weights and all.

        Raises:
            ValueError: it is 2 GiB or more, which a protobuf message cannot hold; use :meth:`save` with
                ``weights="external"`` then.
        """
        from caffe_bn_convert.export.save import in_memory

        return in_memory(self)
