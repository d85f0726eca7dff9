"""Outputs from elsewhere beside the file's: ``--expect``, and other witnesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.compare import compare, told
from caffe_bn_convert.verify.report.model import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.verify.judge import Judge
    from caffe_bn_convert.verify.tolerance import Array


def compare_with(expected: Mapping[str, Array], judge: Judge, answers: Mapping[str, Array], source: str) -> list[Check]:
    """One check per expected output. Both sides are float32 programs, so each may be off by the oracle's tolerance."""
    checks = []
    for name, value in expected.items():
        if name not in answers:
            checks.append(
                Check(f"{source}: {name}", "fail", f"the file has no such output, it has {', '.join(answers)}")
            )
            continue
        checks.append(_check(name, np.asarray(value), answers[name], judge, source))
    return checks


def _check(name: str, value: Array, answer: Array, judge: Judge, source: str) -> Check:
    title = f"{source}: {name}"
    if value.size == answer.size:
        value = value.reshape(answer.shape)
    if value.shape != answer.shape:
        return Check(title, "fail", f"the shape is {told(answer.shape)}, expected is {told(value.shape)}")
    noise = judge.noises.get(name)
    deviation = compare(answer, value.astype(np.float64), value.astype(np.float32), judge.rule, noise)
    if deviation.ratio <= 2:
        return Check(title, "pass", f"off by {deviation.error:.3g} at most")
    return Check(
        title,
        "fail",
        f"at {list(deviation.index)} the file has {deviation.actual:.7g}, expected is {deviation.expected:.7g}"
        f" (noise {deviation.noise:.2g}). The oracle is judged apart; if it agrees with the file, look at the"
        " preprocessing and at the weights that the expected numbers were made with",
    )
