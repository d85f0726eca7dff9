"""The proof: run the file, run the oracle, compare."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UsageError, VerificationError
from caffe_bn_convert.verify.against import ask
from caffe_bn_convert.verify.cost import affordable
from caffe_bn_convert.verify.defaults import with_defaults
from caffe_bn_convert.verify.defendant import Defendant
from caffe_bn_convert.verify.expected import compare_with
from caffe_bn_convert.verify.found import find, is_value
from caffe_bn_convert.verify.inputs import feeds, given
from caffe_bn_convert.verify.inputs.kinds import KINDS
from caffe_bn_convert.verify.judge import Judge
from caffe_bn_convert.verify.locate import locate
from caffe_bn_convert.verify.oracle import discontinuous
from caffe_bn_convert.verify.oracle.values import is_input, plan
from caffe_bn_convert.verify.report.model import Check, Report, Verdict
from caffe_bn_convert.verify.runtime import resolve
from caffe_bn_convert.verify.statistics import statistics
from caffe_bn_convert.verify.tolerance import Rule
from caffe_bn_convert.verify.unrunnable import first_other_shape
from caffe_bn_convert.verify.walk import Caffe, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.pictures import Front
    from caffe_bn_convert.verify.report.model import BlobResult, Divergence, OutputResult
    from caffe_bn_convert.verify.shown import Shown
    from caffe_bn_convert.verify.tolerance import Array
    from caffe_bn_convert.verify.walk import Visit


ROUNDS = 3
"""A small net gets every kind of input so often."""

ALONE = 6
"""With every sixth input, from the first on, each layer is also judged alone, on what the runtime itself gave it."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to prove.

    Attributes:
        seed: what the inputs are made from.
        inputs: the user's own inputs by blob, instead of seeded ones.
        expect: outputs from elsewhere by blob, for ``inputs``.
        rule: what may differ.
        provider: who runs the file: "cpu", "cuda", "tensorrt", "openvino", or onnxruntime's name.
        device: which of several devices.
        provider_defaults: run the file once more with the provider's own defaults, and tell that error apart.
        own: the file was made by this package: its values have the names of Caffe's blobs.
        names: the blobs whose value has another name in a file of ours.
        sizes: how many numbers the values of the net have, about; unknown ones are found out.
        statistics: collect the BatchNorms' numbers for the report.
        against: other programs that read Caffe, to be asked too: "opencv", "pycaffe".
        sources: the prototxt and the caffemodel, for them.
        front: the preprocessing that the file has in front of an input.
    """

    seed: int = 0
    inputs: Mapping[str, Array] | None = None
    expect: Mapping[str, Array] | None = None
    rule: Rule = field(default_factory=Rule)
    provider: str = "cpu"
    device: int = 0
    provider_defaults: bool = False
    own: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    statistics: bool = False
    against: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()
    front: Front | None = None


def prove(caffe: Caffe, model: Path, options: Options | None = None) -> Report:
    """Run the file on several inputs and compare every output, and every inner value that it shows, with the oracle.

    Returns:
        the report; a proof that failed is a report too.

    Raises:
        ProviderError: the provider that was asked for does not run the file.
        UnsupportedError: the oracle does not know a layer.
        UsageError: inputs that do not fit.
    """
    proof = _Proof(caffe, model, options or Options())
    try:
        return proof.run()
    except VerificationError as error:
        return proof.refused(error)


class _Proof:
    def __init__(self, caffe: Caffe, model: Path, options: Options) -> None:
        self.caffe, self.model, self.options = caffe, model, options
        self.started = time.perf_counter()
        self.provider = resolve(options.provider, options.device)
        self.feeds: list[Feed] = []
        self.checks: list[Check] = []

    def run(self) -> Report:
        defendant = Defendant(self.model, self.provider, self.caffe, self.options.front, own=self.options.own)
        sizes = dict(self.options.sizes)
        self.feeds = self._feeds(defendant, sizes)
        answers = {mode: defendant.answers(self.feeds, optimised=mode) for mode in (False, True)}
        self._check_provider(defendant)
        keys = self._keys(defendant)
        judge = Judge(defendant.outputs, self.options.rule, keys, own=self.options.own)
        for number, feed in enumerate(self.feeds):
            for visit in self._walk(feed, defendant.shown(keys, sizes, feed)):
                judge.see(visit, number, {mode: answers[mode][number] for mode in answers})
        for number in range(0, len(self.feeds), ALONE) if self.options.own else ():
            feed = self.feeds[number]
            for visit in walk(self.caffe, feed.arrays, defendant.shown(keys, sizes, feed), local=True):
                judge.see_alone(visit, number)
        self._ask_again(judge, defendant, keys, sizes)
        if self.options.expect is not None:
            self.checks += compare_with(self.options.expect, judge, answers[False][0], "--expect")
        for witness in self.options.against:
            told = ask(witness, self.options.sources, self.feeds[0].arrays, list(answers[False][0]))
            self.checks += compare_with(told, judge, answers[False][0], witness)
        divergence = self._divergence(judge, defendant, keys, sizes)
        defendant.close()
        return self._report(judge, divergence)

    def _feeds(self, defendant: Defendant, sizes: dict[str, int]) -> list[Feed]:
        options = self.options
        if options.inputs is not None:
            return self._behind([given(defendant.slots, options.inputs)], made_up=False)
        if options.expect is not None:
            raise UsageError("expected outputs need the inputs that they were made from", hint="add --input")
        fed = self._behind(feeds(self.caffe.net, defendant.slots, options.seed, 2))
        if not sizes:
            sizes.update({key: math.prod(shape) for key, shape in defendant.shapes(fed[0]).items()})
        return self._behind(
            feeds(self.caffe.net, defendant.slots, options.seed, affordable(self.caffe, sizes, ROUNDS * len(KINDS)))
        )

    def _behind(self, fed: list[Feed], *, made_up: bool = True) -> list[Feed]:
        """The feeds with the net's side of what the file preprocesses."""
        front = self.options.front
        return fed if front is None else [front.behind(feed, made_up=made_up) for feed in fed]

    def _check_provider(self, defendant: Defendant) -> None:
        if not self.provider.is_cpu:
            self.checks.append(Check("provider", "pass", f"{self.provider.title} ran every node"))
        if self.options.provider_defaults:
            self.checks += with_defaults(defendant, self.feeds[:2])

    def _walk(self, feed: Feed, shown: Shown) -> Iterator[Visit]:
        """In a file that somebody else made a value is believed to be Caffe's if its numbers are."""
        believed = None if self.options.own else is_value
        return walk(self.caffe, feed.arrays, shown, believed=believed)

    def _keys(self, defendant: Defendant) -> dict[str, str]:
        """The values that the file shows, in the order of the net.

        Of a file of ours these are all; of another those that layers that jump are judged on, and the outputs then.
        """
        net = plan(self.caffe.net)
        keys = dict.fromkeys([*(key for step in net.steps for key in step.tops), *net.outputs])
        if self.options.own:
            names = {key: self.options.names.get(key, key) for key in keys}
            there = set(defendant.values(names.values()))
            return {key: name for key, name in names.items() if name in there}
        found = find(self.caffe, defendant, self.feeds[0])
        found |= {bound.blob: bound.port for bound in defendant.outputs if found and bound.axes is None}
        return {key: found[key] for key in keys if key in found}

    def _ask_again(self, judge: Judge, defendant: Defendant, keys: dict[str, str], sizes: dict[str, int]) -> None:
        """Outputs that hang on a choice under other noise: judged by what the optimised file itself shows."""
        some = self._around_jumps(keys, judge)
        for number in sorted(judge.flipped):
            shown = defendant.shown(some, sizes, self.feeds[number], optimised=True)
            for visit in self._walk(self.feeds[number], shown):
                if visit.key in judge.bound and visit.based and visit.actual is not None:
                    judge.see(visit, number, {True: {visit.key: visit.actual}}, again=True)
        if judge.flipped:
            self.checks.append(
                Check(
                    "optimised choices",
                    "pass",
                    "behind layers that jump, the optimised file was judged on its own numbers",
                )
            )

    def _around_jumps(self, keys: dict[str, str], judge: Judge) -> dict[str, str]:
        """The outputs and what layers that jump read and make: the fewer values a file shows, the more it is optimised.

        Where a value that such a layer reads is hidden, all that the file shows.
        """
        layers, needed = self.caffe.net.layers, set(judge.bound)
        given = {top for layer in layers if is_input(layer) for top in layer.parameter.top}
        for step in plan(self.caffe.net).steps:
            if discontinuous(layers[step.index].parameter):
                needed.update(step.tops, (read.key for read in step.bottoms))
        return {key: keys[key] for key in keys if key in needed} if needed <= keys.keys() | given else keys

    def _divergence(
        self, judge: Judge, defendant: Defendant, keys: dict[str, str], sizes: dict[str, int]
    ) -> Divergence | None:
        results: list[BlobResult | OutputResult] = [*judge.blob_results(), *judge.output_results()]
        failed = [result for result in results if result.status == "fail"]
        if not failed:
            return None
        feed = min(result.feed for result in failed)
        inner = keys if self.options.own else {}
        return locate(self.caffe, defendant, self.feeds[feed], feed, inner, sizes, failed, self.options.rule)

    def _report(self, judge: Judge, divergence: Divergence | None) -> Report:
        outputs, blobs = judge.output_results(), judge.blob_results()
        shown = [output.status for output in outputs] + [blob.status for blob in blobs]
        told = any(output.status == "pass" for output in outputs) or any(blob.worst.largest for blob in blobs)
        verdict: Verdict = "proven" if told else "unproven"  # zeros and NaN everywhere tell nothing
        if "fail" in shown or any(check.status == "fail" for check in self.checks):
            verdict = "failed"
        return self._filled(verdict, outputs=outputs, blobs=blobs, divergence=divergence)

    def refused(self, error: VerificationError) -> Report:
        """The report on a file that does not even run."""
        problem = error.problems[0]
        self.checks.append(
            Check("running the file", "fail", problem.what + (f" ({problem.hint})" if problem.hint else ""))
        )
        names = self.options.names
        divergence = first_other_shape(self.caffe, self.model, names) if self.options.own else None
        return self._filled("failed", divergence=divergence)

    def _filled(self, verdict: Verdict, **found: Any) -> Report:
        options, net = self.options, self.caffe.net
        rule = f"noise × {options.rule.factor:g}"
        if options.rule.given:
            rule = f"{options.rule.atol or 0:g} + {options.rule.rtol or 0:g} × |expected|"
        return Report(
            verdict=verdict,
            net=net.name,
            prototxt=net.file,
            model=str(self.model),
            provider=f"{self.provider.title}, onnxruntime {_version()}",
            seed=options.seed,
            rule=rule,
            feeds=tuple(str(feed) for feed in self.feeds),
            checks=tuple(self.checks),
            statistics=statistics(self.caffe) if options.statistics else (),
            seconds=time.perf_counter() - self.started,
            **({"outputs": ()} | found),
        )


def _version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)
