"""Guesses at why an output is wrong: another blob, softmax or logits, another layout."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.compare import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.verify.defendant import Defendant
    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.report.model import BlobResult, OutputResult
    from caffe_bn_convert.verify.tolerance import Array, Rule
    from caffe_bn_convert.verify.walk import Caffe


def explain(failed: BlobResult | OutputResult, caffe: Caffe, defendant: Defendant, feed: Feed, rule: Rule) -> str:
    """What the wrong output is instead, in one sentence; empty if no guess fits."""
    answers = defendant.answers([feed], optimised=False)[0]
    if failed.name not in answers:
        return ""
    value = answers[failed.name]
    exact = caffe.run(feed.arrays, np.float64, keep="all")
    rounded = caffe.run(feed.arrays, np.float32, keep="all")

    def fits(candidate: Array, key: str) -> bool:
        return candidate.shape == exact[key].shape and compare(candidate, exact[key], rounded[key], rule).passed

    if failed.deviation.passed or fits(value, failed.name):
        if not getattr(failed, "optimised", True):
            return ""  # it is wrong as written: neither optimisations nor another layout explain that
        return (
            "only with onnxruntime's optimisations on: the file is right, onnxruntime rewrites it into something else"
        )
    for words, candidate in _rewritten(value):
        if fits(candidate, failed.name):
            return words
    for key in exact:
        if key != failed.name and value.size == exact[key].size and fits(value.reshape(exact[key].shape), key):
            return f'the file gives blob "{key}" here instead of "{failed.name}"'
    return ""


def _rewritten(value: Array) -> Iterator[tuple[str, Array]]:
    """What the output would be if something known had gone wrong."""
    for axis in {1, value.ndim - 1} & set(range(value.ndim)):
        shifted = np.exp(value.astype(np.float64) - value.max(axis=axis, keepdims=True))
        yield (
            f"the file gives logits: a softmax over axis {axis} is missing",
            shifted / shifted.sum(axis=axis, keepdims=True),
        )
    yield "the file gives logits: a sigmoid is missing", 1 / (1 + np.exp(-np.clip(value.astype(np.float64), -80, 80)))
    if 2 <= value.ndim <= 5:
        for axes in permutations(range(value.ndim)):
            if axes != tuple(range(value.ndim)):
                yield (
                    f"the file has its axes in the order {', '.join(map(str, np.argsort(axes)))}",
                    value.transpose(axes),
                )
    if value.ndim >= 2:
        yield "the file has its channels in reverse order (BGR and RGB?)", value[:, ::-1]
