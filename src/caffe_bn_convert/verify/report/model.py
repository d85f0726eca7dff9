"""What a proof found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caffe_bn_convert.verify.compare import Deviation

if TYPE_CHECKING:
    from caffe_bn_convert.errors import Where

Status = Literal["pass", "fail", "no proof"]
Verdict = Literal["proven", "failed", "unproven"]

SCHEMA = 1
"""Version of the JSON report."""


@dataclass(frozen=True, slots=True)
class OutputResult:
    """One output of the file, over all inputs.

    Attributes:
        name: the Caffe blob.
        value: the output in the ONNX file.
        matched: how the two were found to belong together: "name", "position".
        optimised: whether onnxruntime was allowed to rewrite the graph.
        status: "no proof" where the numbers cannot tell right from wrong; ``note`` says why.
        deviation: the worst one.
        feed: number of the input that it happened on.
        note: a word of explanation.
    """

    name: str
    value: str
    matched: str
    optimised: bool
    status: Status
    deviation: Deviation
    feed: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class BlobResult:
    """One value inside the net, in the order in which Caffe computes them.

    Attributes:
        name: the blob; ``blob/layer`` for a value that a later layer overwrote.
        layer: the layer that made it.
        type: that layer's type.
        line: its line in the prototxt; None if unknown.
        status: "pass" or "fail".
        deviation: the worst one over all inputs.
        feed: number of the input that it happened on.
        jumps: whether the layer was judged on the runtime's own bottoms, because its output jumps under noise.
        alone: the worst deviation of the layer alone, computed from the runtime's own bottoms; None if that was not done.
    """

    name: str
    layer: str
    type: str
    line: int | None
    status: Status
    deviation: Deviation
    feed: int
    jumps: bool = False
    alone: Deviation | None = None

    @property
    def worst(self) -> Deviation:
        """The worse of the two deviations."""
        if self.alone is not None and self.alone.ratio > self.deviation.ratio:
            return self.alone
        return self.deviation


@dataclass(frozen=True, slots=True)
class Check:
    """Anything else that was checked, such as the provider: a name, a status, and what was found."""

    name: str
    status: Status
    what: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a folded BatchNorm, ``y = scale * x + shift``: what the file has and what it should have."""

    channel: int
    scale: float
    expected_scale: float
    shift: float
    expected_shift: float


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first value that is wrong.

    Attributes:
        blob: the value.
        where: its layer's place in the prototxt.
        deviation: how far it is off, on the runtime's own bottoms if ``local``.
        feed: number of the input.
        local: whether the layer was judged alone, on the runtime's own bottoms.
        channels: for a BatchNorm, the channels whose numbers are not what they should be, worst first.
        explanation: what the reader may want to know beside the numbers.
    """

    blob: str
    where: Where
    deviation: Deviation
    feed: int
    local: bool = True
    channels: tuple[Channel, ...] = ()
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A BatchNorm's numbers by channel: as stored, divided by the factor, and with the Scale behind it."""

    layer: str
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    eps: float


@dataclass(frozen=True, slots=True)
class Report:
    """A proof, or why it failed.

    Attributes:
        verdict: "proven", "failed", or "unproven" where nothing that was seen could have told right from wrong.
        net: the net's name.
        prototxt: the file it was read from.
        model: the ONNX file.
        provider: who ran it, and in which version of onnxruntime.
        seed: what the inputs were made from.
        rule: what may differ, in words.
        feeds: the inputs in words; results refer to them by number.
        outputs: every output, optimisations off and on.
        blobs: every inner value that the file shows.
        checks: whatever else was checked.
        divergence: where it goes wrong first; None if it does not.
        statistics: the BatchNorms' numbers, if they were asked for.
        notes: remarks on the whole.
        seconds: how long it took.
    """

    verdict: Verdict
    net: str
    prototxt: str
    model: str
    provider: str
    seed: int
    rule: str
    feeds: tuple[str, ...]
    outputs: tuple[OutputResult, ...]
    blobs: tuple[BlobResult, ...] = ()
    checks: tuple[Check, ...] = ()
    divergence: Divergence | None = None
    statistics: tuple[Statistics, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether nothing was found to be wrong."""
        return self.verdict != "failed"

    @property
    def compared(self) -> int:
        """How many numbers were compared for one input, outputs counted for each way of running the file."""
        return sum(deviation.count for deviation in self._deviations)

    @property
    def worst(self) -> Deviation:
        """The worst deviation of all."""
        return max(self._deviations, key=lambda deviation: deviation.ratio, default=Deviation())

    @property
    def _deviations(self) -> list[Deviation]:
        return [output.deviation for output in self.outputs] + [blob.worst for blob in self.blobs]
