"""The float16 forms of a conversion, and how far they are from its float32 form."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx

from caffe_bn_convert.errors import UsageError, VerificationError
from caffe_bn_convert.export.half import computing_in_half, weights_as_half
from caffe_bn_convert.export.pending import written
from caffe_bn_convert.export.writer import fits_in_one_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.export.model import Model

    Array = np.ndarray[Any, np.dtype[Any]]

FORMS: dict[str, Callable[[Model], Model]] = {
    "float32": lambda model: model,
    "float16-weights": weights_as_half,
    "float16": computing_in_half,
}
WORDS = {
    "float16-weights": "weights stored as float16, arithmetic in float32",
    "float16": "weights and arithmetic in float16, BatchNormalization and the like in float32",
}
METADATA_KEY = "caffe.float16"


def in_precision(model: Model, precision: str) -> Model:
    """The model in one of :data:`FORMS`.

    Raises:
        UsageError: there is no such form.
    """
    if precision not in FORMS:
        raise UsageError(f'precision "{precision}" is not one of {", ".join(FORMS)}')
    return FORMS[precision](model)


@dataclass(frozen=True, slots=True)
class Loss:
    """How far an output is from its float32 form.

    Attributes:
        output: its name.
        error: the largest difference.
        largest: the largest number in float32, without its sign.
        other_shape: it has another shape, since the net chose otherwise (detections).
    """

    output: str
    error: float
    largest: float
    other_shape: bool = False

    def __str__(self) -> str:
        if self.other_shape:
            return f"{self.output}: another number of rows"
        return f"{self.output}: off by up to {self.error:.1e}, where the largest number is {self.largest:.1e}"


def losses(conversion: Conversion) -> tuple[Loss, ...]:
    """Run both forms in onnxruntime on seeded inputs and compare every output.

    Raises:
        ProviderError: the installed onnxruntime does not run the model at this opset.
        VerificationError: the float16 form overflows where float32 does not.
    """
    from caffe_bn_convert.verify.runtime import naming_the_highest_opset

    plain = replace(conversion, precision="float32")
    inputs = _feeds(conversion)
    with naming_the_highest_opset(conversion):
        wanted, got = _answers(plain.model, inputs), _answers(_stepwise(conversion.model), inputs)
    found = []
    for index, name in enumerate(conversion.graph.outputs):
        pairs = [(a[index], b[index]) for a, b in zip(wanted, got, strict=True)]
        if any(a.shape != b.shape for a, b in pairs):
            found.append(Loss(name, 0.0, 0.0, other_shape=True))
            continue
        if any(not np.isfinite(b[np.isfinite(a)]).all() for a, b in pairs):
            raise VerificationError(
                f'in float16 the output "{name}" is not finite where it is in float32: numbers inside exceed 65504',
                hint="--fp16-weights keeps the arithmetic in float32",
            )
        finite = [(a[np.isfinite(a)], b[np.isfinite(a)]) for a, b in pairs]
        error = max(float(np.abs(a - b).max(initial=0)) for a, b in finite)
        largest = max(float(np.abs(a).max(initial=0)) for a, _ in finite)
        found.append(Loss(name, error, largest))
    return tuple(found)


@contextmanager
def _file(model: Model) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with written(model, path, weights="embed" if fits_in_one_file(model) else "external") as pending:
            pending.commit()
        yield path


def metadata(precision: str, found: Sequence[Loss]) -> dict[str, str]:
    """What the ONNX file says about its precision."""
    told = "; ".join(map(str, found))
    return {METADATA_KEY: f"{WORDS[precision]}; beside float32 on seeded inputs: {told}"}


def _feeds(conversion: Conversion) -> list[Mapping[str, Array]]:
    from caffe_bn_convert.verify.inputs import Slot, feeds

    graph = conversion.graph
    slots = [Slot(name, tuple(d if isinstance(d, int) else None for d in graph.shapes[name])) for name in graph.inputs]
    made: list[Mapping[str, Array]] = []
    for feed in feeds(conversion.net, slots, 0):
        arrays = dict(feed.arrays)
        for name, kind in graph.elem_types.items():
            if kind == "uint8":
                arrays[name] = np.clip(np.abs(arrays[name]) * 16, 0, 255).astype(np.uint8)
        made.append(arrays)
    return made


def _stepwise(model: Model) -> Model:
    """The model with an Identity behind every node.

    onnxruntime's CPU code has no float16 arithmetic: it computes in float32, and where two such nodes meet it leaves out
    the rounding between them, at any level of optimisation. The result would look better than that of a device that
    has float16. An Identity is between two nodes in float16, so that every value is rounded.
    """
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    del graph.node[:]
    for node in model.graph.node:
        mine = graph.node.add()
        mine.CopyFrom(node)
        for i, name in enumerate(node.output):
            if name:
                mine.output[i] = f"{name}/unrounded"
                graph.node.add(op_type="Identity", input=[mine.output[i]], output=[name])
    return replace(model, graph=graph)


def _answers(model: Model, inputs: Sequence[Mapping[str, Array]]) -> list[list[Array]]:
    from caffe_bn_convert.verify.runtime import Session, resolve

    with _file(model) as path:
        session = Session(path, resolve(), optimised=False)
        answers = [list(session.run(arrays).values()) for arrays in inputs]
        del session
    return answers
