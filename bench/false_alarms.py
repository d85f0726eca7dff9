"""Sound files proven with one seed after the other: how often, and how near to an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify import Options, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.subjects import Subject


@dataclass(frozen=True, slots=True)
class Alarm:
    """One proof of a sound file.

    Attributes:
        net: the subject's name.
        trained: whether it is a real model.
        seed: of the inputs.
        verdict: of the proof; why the net does not convert, if it does not.
        worst: the largest error by its tolerance.
        where: the layer that diverged, if any.
    """

    net: str
    trained: bool
    seed: int
    verdict: str
    worst: float = 0.0
    where: str = ""


def proven(subject: Subject, work: Path, seeds: Sequence[int]) -> list[Alarm]:
    """Convert once and prove with every seed."""
    path = work / f"{subject.name.replace('/', '-')}.{seeds[0]}.sound.onnx"
    try:
        conversion = subject.converted()
        conversion.save(path, verify=False)
    except ConversionError as error:
        return [Alarm(subject.name, subject.trained, 0, f"not converted: {error.problems[0].what}")]
    found = []
    for seed in seeds:
        report = verify(conversion, path, Options(seed=seed))
        where = report.divergence.where.layer if report.divergence is not None else None
        found.append(Alarm(subject.name, subject.trained, seed, report.verdict, report.worst.ratio, where or ""))
    path.unlink()
    return found
