"""The figures of a run as a page."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime

from bench.subjects import ROOT
from caffe_bn_convert.verify.tolerance import FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.false_alarms import Alarm
    from bench.mutations import Result
    from bench.trial import Tried

HEAD = """# Does the proof notice?

Made by `python -m bench.mutations --write bench/MUTATIONS.md`; do not edit. Conversions were damaged one at a time, as a
faulty converter would damage them, and proven with the default settings.
"""


def page(result: Result, kinds: Sequence[str]) -> str:
    """Markdown."""
    parts = [HEAD, _summary(result), _kinds(result, kinds), _misses(result), _alarms(result.alarms), _listed(result)]
    return "\n".join(part for part in parts if part)


def _summary(result: Result) -> str:
    judged = result.judged
    nets = {one.net for one in judged}
    models = {net for net in nets if "/" not in net}
    least = min(Counter(one.kind for one in judged).values(), default=0)
    verdicts = Counter(alarm.verdict == "failed" for alarm in result.alarms)
    lines = [
        "## Figures\n",
        f"- damages tried: {len(result.tried)}, judged: **{len(judged)}** effective ones, {least} or more of each kind",
        f"- nets: {len(nets)}, of which {len(models)} real models",
        f"- caught: **{_share(sum(one.caught for one in judged), len(judged))}**",
        f"- the right layer named first: **{_share(sum(one.right for one in judged), len(judged))}**",
        f"- caught with the comparison switched off: {_share(sum(one.control for one in judged), len(judged))}",
        f"- false alarms: **{verdicts[True]}** in {len(result.alarms)} proofs of sound files",
        f"- tolerance: {FACTOR:g} times the noise, the same for all",
        f"- onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}, NumPy {np.__version__}",
        f"- the run took {result.seconds / 60:.1f} minutes",
        "",
    ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / max(whole, 1):.1f} %)"


def _kinds(result: Result, kinds: Sequence[str]) -> str:
    rows = [
        "| damage | effective, judged | nets | caught | right layer | seconds per proof |",
        "|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        own = [one for one in result.judged if one.kind == kind]
        seconds = sum(one.seconds for one in own) / max(len(own), 1)
        caught, right = sum(one.caught for one in own), sum(one.right for one in own)
        rows.append(f"| {kind} | {len(own)} | {len({one.net for one in own})} | {caught} | {right} | {seconds:.2f} |")
    return "## Kind by kind\n\n" + "\n".join(rows) + "\n"


def _misses(result: Result) -> str:
    missed = [one for one in result.judged if not one.caught]
    wrong = [one for one in result.judged if one.caught and not one.right]
    parts = []
    if missed:
        parts.append("## Not caught\n\n" + "\n".join(f"- {one.kind}: {one.net}, {one.what}" for one in missed) + "\n")
    if wrong:
        lines = [
            f"- {one.kind}: {one.net}, {one.what}: {one.named or 'no layer'} instead of {' or '.join(one.layers)}"
            for one in wrong
        ]
        parts.append("## Caught, another layer named\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _alarms(alarms: Sequence[Alarm]) -> str:
    if not alarms:
        return ""
    by_net: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        by_net[alarm.net if alarm.trained else "random nets"].append(alarm)
    rows = ["| net | proofs | failed | proven | worst error by its tolerance |", "|---|---|---|---|---|"]
    for net, own in by_net.items():
        said = Counter(alarm.verdict for alarm in own)
        worst = max(alarm.worst for alarm in own)
        rows.append(f"| {net} | {len(own)} | {said['failed']} | {said['proven']} | {worst:.2f} |")
    odd = [f"- {a.net}, seed {a.seed}: {a.verdict} {a.where}" for a in alarms if a.verdict not in ("proven",)]
    return "## Sound files\n\n" + "\n".join(rows) + "\n" + ("\n" + "\n".join(odd) + "\n" if odd else "")


def _listed(result: Result) -> str:
    idle = [one for one in result.tried if one.effect == "ineffective"]
    broken = Counter(one.kind for one in result.tried if one.effect == "does not run")
    parts = ["## Not counted\n"]
    parts.append(
        f"{len(idle)} damages had no effect on the outputs, {sum(broken.values())} left a file that does not run.\n"
    )
    parts += [f"- {kind}, no effect: {_named(o for o in idle if o.kind == kind)}" for kind in {o.kind: 0 for o in idle}]
    parts += [f"- {kind}, does not run: {count}" for kind, count in broken.items()]
    parts += [f"- {net}: {why.replace(f'{ROOT}/', '')}" for net, why in result.refused.items()]
    return "\n".join(parts) + "\n"


def _named(damages: Iterable[Tried]) -> str:
    return "; ".join(f"{one.net} {one.what}" for one in damages)
