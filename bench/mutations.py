"""Damage conversions one at a time and see whether the proof notices; prove sound ones again and again.

    python -m bench.mutations [--jobs N] [--per-kind 30] [--seeds 20] [--write bench/MUTATIONS.md]

A damage counts where it is effective: on inputs that the verifier does not use, the outputs in onnxruntime differ from
the sound file's by more than the bound to which conversions are held against real Caffe. The others are listed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from bench.damage import KINDS
from bench.false_alarms import Alarm, proven
from bench.mutation_page import page
from bench.subjects import SLOW, Subject, random_nets, small, trained
from bench.trial import Tried, judged, tried

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIES = 2
"""So many damages of a kind to one net are tried for effect."""

WAVE = 24
"""So many nets are tried before it is asked which kinds still lack effective damages."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of the whole run.

    Attributes:
        tried: every damage that was tried for effect.
        judged: the effective ones that were chosen, with what the proof said.
        refused: nets that could not be damaged, and why.
        alarms: what the proof said of sound files.
        seconds: the run took.
    """

    tried: Sequence[Tried]
    judged: Sequence[Tried]
    refused: dict[str, str]
    alarms: Sequence[Alarm]
    seconds: float


def main() -> int:
    """Run, print, write; 1 unless the figures are as good as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--per-kind", type=int, default=30, help="effective damages of each kind")
    parser.add_argument("--seeds", type=int, default=20, help="proofs of every sound model; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="chooses the damages")
    parser.add_argument("--write", type=Path, help="a page of the figures")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    started = time.perf_counter()
    subjects = mixed(trained(), random_nets(), small())
    with tempfile.TemporaryDirectory() as work, ProcessPoolExecutor(options.jobs) as pool:
        alive = [subject for subject in subjects if subject.name not in SLOW]
        every, refused = try_out(pool, alive, Path(work), options.per_kind, options.seed)
        chosen = choose(every, options.per_kind)
        verdicts = judge(pool, alive, Path(work), chosen)
        caught, right = sum(one.caught for one in verdicts), sum(one.right for one in verdicts)
        minutes = (time.perf_counter() - started) / 60
        print(
            f"{minutes:.1f} minutes: {len(verdicts)} damages, {caught} caught, {right} at the right layer", flush=True
        )
        alarms = sound(pool, subjects, Path(work), options.seeds) if options.seeds else []
    result = Result(every, verdicts, refused, alarms, time.perf_counter() - started)
    text = page(result, list(KINDS))
    print(text.split("## ")[1] if options.write else text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    return 0 if good(result) else 1


def try_out(
    pool: ProcessPoolExecutor, subjects: Sequence[Subject], work: Path, per_kind: int, seed: int
) -> tuple[list[Tried], dict[str, str]]:
    """Nets damaged in some ways of every kind, until there are enough that have an effect.

    Returns:
        the damages, and the nets that cannot be damaged with the reason.
    """
    every: list[Tried] = []
    refused = {}
    for start in range(0, len(subjects), WAVE):
        found_so_far = Counter(one.kind for one in every if one.effect == "effective")
        wanted = [kind for kind in KINDS if found_so_far[kind] < per_kind]
        if not wanted:
            break
        runs = {s.name: pool.submit(tried, s, work, wanted, seed, TRIES) for s in subjects[start : start + WAVE]}
        for name, run in runs.items():
            found = run.result()
            if isinstance(found, str):
                refused[name] = found
            else:
                every += found
    return every, refused


def mixed(*lists: Sequence[Subject]) -> list[Subject]:
    """One of each list in turn."""
    return [subject for row in zip_longest(*lists) for subject in row if subject is not None]


def choose(every: Sequence[Tried], per_kind: int) -> list[Tried]:
    """Of each kind so many effective damages, from as many nets as there are."""
    chosen = []
    for kind in KINDS:
        by_net: dict[str, list[Tried]] = defaultdict(list)
        for one in every:
            if one.kind == kind and one.effect == "effective":
                by_net[one.net].append(one)
        turns = zip_longest(*by_net.values())
        chosen += [one for turn in turns for one in turn if one is not None][:per_kind]
    return chosen


def judge(pool: ProcessPoolExecutor, subjects: Sequence[Subject], work: Path, chosen: Sequence[Tried]) -> list[Tried]:
    """What the proof says of each, in the order in which they were chosen."""
    by_net: dict[str, list[Tried]] = defaultdict(list)
    for one in chosen:
        by_net[one.net].append(one)
    runs = [pool.submit(judged, subject, work, by_net[subject.name]) for subject in subjects if subject.name in by_net]
    found = {(one.net, one.kind, one.number): one for run in runs for one in run.result()}
    return [found[one.net, one.kind, one.number] for one in chosen]


def sound(pool: ProcessPoolExecutor, subjects: Sequence[Subject], work: Path, seeds: int) -> list[Alarm]:
    """Sound files of models with ``seeds`` seeds, of random nets with 3, which must all be proven."""
    runs = []
    for subject in sorted(subjects, key=lambda subject: subject.name not in SLOW):
        if subject.trained or subject.name.startswith("random/"):
            own = range(1, (seeds if subject.trained else min(seeds, 3)) + 1)
            runs += [
                pool.submit(proven, subject, work, part) for part in (own[i : i + 5] for i in range(0, len(own), 5))
            ]
    return [alarm for run in runs for alarm in run.result()]


def good(result: Result) -> bool:
    """Whether the run shows what is promised of the proof."""
    effective = len(result.judged)
    caught = sum(one.caught for one in result.judged)
    right = sum(one.right for one in result.judged)
    quiet = all(alarm.verdict != "failed" for alarm in result.alarms)
    blind = not any(one.control for one in result.judged)
    return caught >= 0.99 * effective and right >= 0.95 * effective and quiet and blind


if __name__ == "__main__":
    raise SystemExit(main())
