"""One net on trial: which damages to it are effective, and what the proof says of each."""

from __future__ import annotations

import random
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime

from bench.damage import KINDS
from bench.subjects import file_of
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify import verify
from caffe_bn_convert.verify.compare import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.damage import Damage, File
    from bench.subjects import Subject

    Array = np.ndarray[Any, np.dtype[Any]]

PIXELS = 100.0
"""Pictures are fed with numbers of this size."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A damage that was tried.

    Attributes:
        net: the subject's name.
        kind: of damage.
        number: the damage's place in the list of its kind.
        what: in words.
        effect: "effective", "ineffective", or "does not run".
        caught: whether the proof failed.
        named: the layer that diverged first, for the proof.
        layers: those that would be right.
        control: whether the proof failed without comparing.
        seconds: the proof took.
    """

    net: str
    kind: str
    number: int
    what: str
    effect: str
    caught: bool = False
    named: str = ""
    layers: tuple[str, ...] = ()
    control: bool = False
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """Whether it was caught and the right layer was named."""
        return self.caught and self.named in self.layers


def damages(file: File, kind: str, seed: int, most: int) -> list[tuple[int, Damage]]:
    """A sample of what can be done to a file, numbered; always the same."""
    every = list(enumerate(KINDS[kind](file)))
    random.Random(f"{seed} {kind}").shuffle(every)
    return list(islice(every, most))


def tried(subject: Subject, work: Path, kinds: Sequence[str], seed: int, most: int) -> list[Tried] | str:
    """Damage the subject in up to ``most`` ways of every kind and see which of them matter; a string says why it cannot."""
    try:
        file = _converted(subject, work)[1]
        inputs = made_up(file.model)
        sound = [run(file.model, given) for given in inputs]
    except (ConversionError, RuntimeError) as error:
        return str(error).splitlines()[0]
    found = []
    for kind in kinds:
        for number, damage in damages(file, kind, seed, most):
            damaged = file.copy()
            damage.apply(damaged)
            found.append(Tried(subject.name, kind, number, damage.what, _effect(damaged.model, inputs, sound)))
    return found


def judged(subject: Subject, work: Path, chosen: Sequence[Tried]) -> list[Tried]:
    """What the proof says of the damages that were chosen."""
    conversion, file = _converted(subject, work)
    results = []
    for one in chosen:
        damage = next(islice(KINDS[one.kind](file), one.number, None))
        damaged = file.copy()
        damage.apply(damaged)
        path = work / f"{_slug(subject)}.{one.number}.{zlib.crc32(one.kind.encode())}.damaged.onnx"
        onnx.save(damaged.model, path)
        started = time.perf_counter()
        report = verify(conversion, path)
        seconds = time.perf_counter() - started
        named = report.divergence.where.layer if report.divergence is not None else None
        layers = tuple(sorted(file.layers[file.nodes[_first(file, damaged, damage)].name]))
        with switched_off():
            control = verify(conversion, path)
        results.append(
            Tried(
                one.net, one.kind, one.number, one.what, one.effect, not report.passed, named or "", layers,
                not control.passed, seconds,
            )
        )  # fmt: skip
        path.unlink()
    return results


def _first(file: File, damaged: File, damage: Damage) -> int:
    """The damaged node whose value is wrong, the first if there are several."""
    if damage.other is None:
        return damage.node
    own = file.layers[file.nodes[damage.node].name]
    top = [node for node in file.nodes if file.layers[node.name] == own][-1].output[0]
    for given in made_up(file.model):
        if differs(run(_showing(damaged.model, top), given)[-1], run(_showing(file.model, top), given)[-1]):
            return damage.node
    return damage.other


def _showing(model: onnx.ModelProto, value: str) -> onnx.ModelProto:
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.add(name=value)
    return shown


@contextmanager
def switched_off() -> Iterator[None]:
    """While this lasts the proof compares nothing."""
    judge = "caffe_bn_convert.verify.judge"
    with (
        mock.patch(f"{judge}.compare", lambda *_: Deviation()),
        mock.patch(f"{judge}.agree", lambda *_: Deviation()),
    ):
        yield


def _converted(subject: Subject, work: Path) -> tuple[Any, File]:
    conversion = subject.converted()
    path = work / f"{_slug(subject)}.onnx"
    if not path.is_file():
        conversion.save(path, verify=False)
    return conversion, file_of(conversion, path)


def _slug(subject: Subject) -> str:
    return subject.name.replace("/", "-")


def made_up(model: onnx.ModelProto) -> list[dict[str, Array]]:
    """Two sets of inputs that the verifier does not use: uniform, and larger for pictures; or positive where they are not."""
    sets = []
    for number in (1, 2):
        arrays = {}
        for port in model.graph.input:
            shape = [dim.dim_value or 2 for dim in port.type.tensor_type.shape.dim]
            rng = np.random.default_rng((0xD0, number, zlib.crc32(port.name.encode())))
            value = rng.uniform(-1 if number == 1 else 0, 1, shape)
            picture = len(shape) == 4 and shape[1] in (1, 3) and shape[2] >= 8
            arrays[port.name] = (value * PIXELS if picture else value).astype(np.float32)
        sets.append(arrays)
    return sets


def run(model: onnx.ModelProto, inputs: dict[str, Array]) -> list[Array]:
    """The outputs in onnxruntime, which may not rewrite the graph.

    Raises:
        RuntimeError: it refuses.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return list(session.run(None, inputs))
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise RuntimeError(str(error)) from error


def _effect(model: onnx.ModelProto, inputs: list[dict[str, Array]], sound: list[list[Array]]) -> str:
    try:
        answers = [run(model, given) for given in inputs]
    except RuntimeError:
        return "does not run"
    differ = any(
        differs(y, z) for answer, right in zip(answers, sound, strict=True) for y, z in zip(answer, right, strict=True)
    )
    return "effective" if differ else "ineffective"


def differs(y: Array, z: Array) -> bool:
    """Whether two outputs differ by more than the bound to which conversions are held against outputs of real Caffe."""
    if y.shape != z.shape:
        return True
    y, z = y.astype(np.float64), z.astype(np.float64)
    finite = np.isfinite(z)
    if not np.array_equal(y[~finite], z[~finite], equal_nan=True) or not np.isfinite(y[finite]).all():
        return True
    size = np.abs(z[finite])
    bound = 1e-5 * max(1.0, size.max(initial=0.0)) + 1e-4 * size
    return bool((np.abs(y[finite] - z[finite]) > bound).any())
