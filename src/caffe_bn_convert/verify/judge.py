"""Collects what is seen along the walks into results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caffe_bn_convert.verify.compare import Deviation, compare
from caffe_bn_convert.verify.discrete import agree
from caffe_bn_convert.verify.evidence import Evidence
from caffe_bn_convert.verify.report.model import BlobResult, OutputResult, Status
from caffe_bn_convert.verify.tolerance import measure

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from caffe_bn_convert.verify.binding import Bound
    from caffe_bn_convert.verify.tolerance import Array, Noise, Rule
    from caffe_bn_convert.verify.walk import Visit


NEAR = 0.125
"""Ratios above this, behind a layer that jumps, are looked at more closely."""


@dataclass(slots=True)
class Worst:
    """The worst deviation of one value so far, and the number of the feed that showed it."""

    deviation: Deviation = field(default_factory=lambda: Deviation(ratio=-1.0))
    feed: int = 0
    count: int = 0

    def take(self, deviation: Deviation, feed: int) -> None:
        """Keep ``deviation`` if it is worse."""
        self.count += deviation.count
        worse = (
            deviation.ratio > self.deviation.ratio
            if deviation.passed == self.deviation.passed
            else not deviation.passed
        )
        if worse:
            self.deviation, self.feed = deviation, feed


class Judge:
    """Takes in every value of every walk.

    Args:
        outputs: the file's outputs.
        rule: what may differ.
        keys: the values that the file shows.
        own: whether what it shows is Caffe's value for sure, so that it is judged, too.
    """

    def __init__(self, outputs: Sequence[Bound], rule: Rule, keys: Container[str] = (), *, own: bool = True) -> None:
        self.rule, self.keys, self.own = rule, keys, own
        self.bound = {bound.blob: bound for bound in outputs}
        self.visits: dict[str, Visit] = {}
        self.blobs: dict[str, Worst] = {}
        self.outputs: dict[tuple[str, bool], Worst] = {}
        self.alone: dict[str, Worst] = {}
        self.evidence: dict[str, Evidence] = {}
        self.noises: dict[str, Noise] = {}
        self.flipped: set[int] = set()

    def see(self, visit: Visit, feed: int, answers: Mapping[bool, Mapping[str, Array]], *, again: bool = False) -> None:
        """Judge one value: as an inner value, and where it is an output, in every answer of the file.

        Args:
            visit: the value.
            feed: the number of the feed.
            answers: the outputs, with optimisations off and on.
            again: whether the visit already has the choices of the optimised file.
        """
        inner = visit.actual is not None and self.own
        if not inner and visit.key not in self.bound:
            return
        noise = measure(visit.exact, visit.rounded)
        self.visits[visit.key] = visit.bare()
        if visit.actual is not None and inner:
            self.blobs.setdefault(visit.key, Worst()).take(self._deviation(visit.actual, visit, noise), feed)
        if visit.key in self.bound:
            self.noises[visit.key] = noise
            self.evidence.setdefault(visit.key, Evidence(visit.layer.type)).see(visit.exact)
            for optimised, values in answers.items():
                self._see_output(visit, feed, noise, values[visit.key], optimised=optimised, again=again)

    def see_alone(self, visit: Visit, feed: int) -> None:
        """Judge one value that was computed from the runtime's own bottoms."""
        if visit.actual is not None:
            deviation = self._deviation(visit.actual, visit, measure(visit.exact, visit.rounded))
            self.alone.setdefault(visit.key, Worst()).take(deviation, feed)

    def _see_output(self, visit: Visit, feed: int, noise: Noise, value: Array, *, optimised: bool, again: bool) -> None:
        deviation = self._deviation(value, visit, noise)
        other_choices = optimised and visit.based and visit.key in self.keys and not again
        if other_choices and deviation.ratio > NEAR:
            # Optimised, the file has other noise than the one that the oracle went on from, and a layer that jumps may
            # have chosen differently: ask again.
            self.flipped.add(feed)
            return
        self.outputs.setdefault((visit.key, optimised), Worst()).take(deviation, feed)

    def _deviation(self, actual: Array, visit: Visit, noise: Noise) -> Deviation:
        if visit.jumps:
            return agree(actual, (visit.exact, visit.rounded, *visit.others), self.rule)
        return compare(actual, visit.exact, visit.rounded, self.rule, noise)

    def blob_results(self) -> tuple[BlobResult, ...]:
        """The inner values, in the order of the net."""
        results = []
        for key, worst in self.blobs.items():
            layer, alone = self.visits[key].layer, self.alone.get(key)
            right = worst.deviation.passed and (alone is None or alone.deviation.passed)
            shown = worst if alone is None or right or not worst.deviation.passed else alone
            results.append(
                BlobResult(
                    key,
                    layer.name,
                    layer.type,
                    layer.where().line,
                    "pass" if right else "fail",
                    worst.deviation,
                    shown.feed,
                    self.visits[key].jumps,
                    None if alone is None else alone.deviation,
                )
            )
        return tuple(results)

    def output_results(self) -> tuple[OutputResult, ...]:
        """The outputs, optimisations off and on."""
        results = []
        for (key, optimised), worst in self.outputs.items():
            lacking = self.evidence[key].lacking()
            status: Status = "fail" if not worst.deviation.passed else "no proof" if lacking else "pass"
            bound = self.bound[key]
            note = lacking
            if bound.axes is not None:
                note = f"{note}; " if note else ""
                note += f"the file has its axes in the order {', '.join(map(str, bound.axes))}"
            results.append(
                OutputResult(key, bound.port, bound.how, optimised, status, worst.deviation, worst.feed, note)
            )
        return tuple(results)
