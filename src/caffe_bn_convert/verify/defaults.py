"""One more run with the provider's own defaults, as most programs run a file: told, never judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.report.model import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.defendant import Defendant
    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.tolerance import Array


def with_defaults(defendant: Defendant, feeds: Sequence[Feed]) -> list[Check]:
    """How far every output is from Caffe's when the provider is not held to full float32.

    Args:
        defendant: the file, bound.
        feeds: the inputs; the oracle runs once for each.

    Returns:
        one check per output. It passes whatever the error: the defaults of a provider are no fault of the file.
    """
    answers = defendant.answers(feeds, optimised=True, exact=False)
    expected = [defendant.caffe.run(feed.arrays, np.float64, keep=answers[0]) for feed in feeds]
    title = f"{defendant.provider.title} with its own defaults"
    return [Check(f'{title}, output "{name}"', "pass", _told(name, answers, expected)) for name in answers[0]]


def _told(name: str, answers: Sequence[dict[str, Array]], expected: Sequence[dict[str, Array]]) -> str:
    error = largest = 0.0
    for answer, caffe in zip(answers, expected, strict=True):
        actual, exact = answer[name], caffe[name]
        if actual.shape != exact.shape:
            return "has another shape"
        if not np.array_equal(np.isfinite(actual), np.isfinite(exact)):
            return "has NaN or infinity where Caffe has numbers, or the other way round"
        numbers = np.isfinite(exact)
        error = max(error, np.abs(actual[numbers] - exact[numbers]).max(initial=0.0))
        largest = max(largest, np.abs(exact[numbers]).max(initial=0.0))
    return f"is off by up to {error:.3g}, beside numbers up to {largest:.3g}"
