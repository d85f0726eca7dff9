"""Where somebody else's file goes wrong. Names inside it are hints: other converters call values as they like."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caffe_bn_convert.verify.batchnorm import channels
from caffe_bn_convert.verify.compare import compare
from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.report.model import Divergence
from caffe_bn_convert.verify.walk import walk

if TYPE_CHECKING:
    from caffe_bn_convert.verify.compare import Deviation
    from caffe_bn_convert.verify.defendant import Defendant
    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.tolerance import Array, Rule
    from caffe_bn_convert.verify.walk import Caffe, Visit

CHANNELS_FIRST = (0, 3, 1, 2)


class Nothing:
    """A file that shows nothing."""

    def __contains__(self, key: str) -> bool:
        return False

    def get(self, key: str) -> Array | None:  # noqa: ARG002
        """Nothing."""
        return None


@dataclass(slots=True)
class _Suspect:
    """A value of the file, and how far the best candidate is off."""

    value: str
    visit: Visit
    deviation: Deviation


def first_wrong_name(
    caffe: Caffe, defendant: Defendant, feed: Feed, number: int, rule: Rule
) -> tuple[Divergence, Visit] | None:
    """The first value, in the order of the net, that is called like a blob or a layer and is none of its values.

    A blob that layers overwrite has several values; the file's may be any of them.
    """
    called = _candidates(caffe)
    values = {port.name: port.name for port in defendant.ports if port.name in called}
    values |= {name: name for name in defendant.values(called)}
    if not values:
        return None
    found = defendant.shown(values, {}, feed)
    arrays = {name: found.get(name) for name in values}
    suspects: dict[str, _Suspect] = {}
    for visit in walk(caffe, feed.arrays, Nothing()):
        for name in values:
            value = arrays[name]
            if visit.key in called[name] and value is not None:
                deviation = compare(_channels_first(value, visit), visit.exact, visit.rounded, rule)
                if name not in suspects or _nearer(name, visit, deviation, suspects[name]):
                    suspects[name] = _Suspect(name, visit.bare(), deviation)
    wrong = [suspect for suspect in suspects.values() if not suspect.deviation.passed]
    if not wrong:
        return None
    first = min(wrong, key=lambda suspect: suspect.visit.index)
    where = replace(first.visit.layer.where(), file=caffe.net.file)
    table = channels(caffe, first.visit, defendant.model, first.value)
    return Divergence(first.visit.key, where, first.deviation, number, local=False, channels=table), first.visit


def _nearer(name: str, visit: Visit, deviation: Deviation, before: _Suspect) -> bool:
    """Whether this candidate is to be believed rather than the one before: it passes, or bears the very name."""
    if deviation.passed or before.deviation.passed:
        return deviation.passed and not before.deviation.passed
    return visit.layer.name == name or before.visit.layer.name != name


def _candidates(caffe: Caffe) -> dict[str, set[str]]:
    """For every name of a blob or a layer the keys of the values that may be called so."""
    called: dict[str, set[str]] = defaultdict(set)
    for step in plan(caffe.net).steps:
        layer = caffe.net.layers[step.index]
        for key, blob in zip(step.tops, layer.parameter.top, strict=True):
            if layer.parameter.bottom:
                called[blob].add(key)
                called[layer.name].add(key)
    return called


def _channels_first(value: Array, visit: Visit) -> Array:
    if value.ndim == 4 and value.shape != visit.exact.shape:
        turned = value.transpose(CHANNELS_FIRST)
        if turned.shape == visit.exact.shape:
            return turned
    return value
