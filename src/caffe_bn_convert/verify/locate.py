"""Where a file first goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.verify.batchnorm import channels
from caffe_bn_convert.verify.compare import compare
from caffe_bn_convert.verify.discrete import agree
from caffe_bn_convert.verify.explain import explain
from caffe_bn_convert.verify.foreign import first_wrong_name
from caffe_bn_convert.verify.left_out import left_out
from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.report.model import BlobResult, Divergence, OutputResult
from caffe_bn_convert.verify.tolerance import measure
from caffe_bn_convert.verify.walk import walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.verify.compare import Deviation
    from caffe_bn_convert.verify.defendant import Defendant
    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.tolerance import Rule
    from caffe_bn_convert.verify.walk import Caffe, Visit

Failed = BlobResult | OutputResult


def locate(
    caffe: Caffe,
    defendant: Defendant,
    feed: Feed,
    number: int,
    keys: Mapping[str, str],
    sizes: Mapping[str, int],
    failed: Sequence[Failed],
    rule: Rule,
) -> Divergence:
    """The first layer at fault: judged on what the runtime itself gave it, so that noise from before has no part.

    Where no layer is wrong by itself, the first value that is wrong after all layers before it.

    Args:
        caffe: the net.
        defendant: the file.
        feed: inputs that show the failure.
        number: the feed's number.
        keys: the values that the file shows.
        sizes: how many numbers each has.
        failed: what is known to be wrong, in the order of the net.
        rule: what may differ.
    """
    if not keys:
        return _by_name(caffe, defendant, feed, number, failed, rule)
    for visit in walk(caffe, feed.arrays, defendant.shown(keys, sizes, feed), local=True):
        if visit.actual is None:
            continue
        deviation = judged(visit, rule)
        if not deviation.passed:
            found = divergence(caffe, defendant, visit, deviation, number)
            shown = defendant.shown(keys, sizes, feed)
            missing = left_out(caffe, feed.arrays, shown, visit, lambda other: judged(other, rule))
            return found if missing is None else _missing(caffe, found, missing)
    return _global(caffe, defendant, feed, failed, rule)


def judged(visit: Visit, rule: Rule) -> Deviation:
    """One value of the runtime beside the oracle's."""
    assert visit.actual is not None
    if visit.jumps:
        return agree(visit.actual, (visit.exact, visit.rounded, *visit.others), rule)
    return compare(visit.actual, visit.exact, visit.rounded, rule, measure(visit.exact, visit.rounded))


def divergence(caffe: Caffe, defendant: Defendant, visit: Visit, deviation: Deviation, feed: int) -> Divergence:
    """All that can be told about a value that is wrong."""
    where = replace(visit.layer.where(), file=caffe.net.file)
    return Divergence(visit.key, where, deviation, feed, channels=channels(caffe, visit, defendant.model))


def _missing(caffe: Caffe, found: Divergence, key: str) -> Divergence:
    """The same with the layer named that is not there."""
    index = next(step.index for step in plan(caffe.net).steps if key in step.tops)
    where = replace(caffe.net.layers[index].where(), file=caffe.net.file)
    told = f'the layer is not in the file: "{found.blob}" is what it would be without it'
    return replace(found, blob=key, where=where, channels=(), explanation=told)


def _by_name(
    caffe: Caffe, defendant: Defendant, feed: Feed, number: int, failed: Sequence[Failed], rule: Rule
) -> Divergence:
    """Of a file that somebody else made: by what its values are called, else the wrong output itself."""
    whole = _global(caffe, defendant, feed, failed, rule)
    found = first_wrong_name(caffe, defendant, feed, number, rule)
    if found is None:
        return whole
    return replace(found[0], explanation=whole.explanation)


def _global(caffe: Caffe, defendant: Defendant, feed: Feed, failed: Sequence[Failed], rule: Rule) -> Divergence:
    first = failed[0]
    net = plan(caffe.net)
    key = net.outputs[first.name].like if first.name in net.outputs else first.name
    index = next(step.index for step in net.steps if key in step.tops)
    where = replace(caffe.net.layers[index].where(), file=caffe.net.file)
    told = explain(first, caffe, defendant, feed, rule)
    return Divergence(first.name, where, first.deviation, first.feed, local=False, explanation=told)
