"""The rules, as data. A rule that is an error stops a conversion unless ``--allow CODE`` takes Caffe's own meaning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: what ``--allow``, ``--select`` and ``--ignore`` call it.
        name: the same in words.
        stops: whether a conversion stops at it.
        hint: what to do, in one sentence.
    """

    code: str
    name: str
    stops: bool
    hint: str


RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(
            "BN001",
            "zero-scale-factor",
            stops=True,
            hint="Caffe takes mean 0 and variance 0 then; --allow BN001 does the same. Were the statistics ever accumulated?",
        ),
        Rule(
            "BN002",
            "bad-scale-factor",
            stops=True,
            hint="the third blob counts what was accumulated and is never negative or NaN in a sound file; --allow BN002",
        ),
        Rule(
            "BN004",
            "batch-statistics",
            stops=True,
            hint="the output would depend on the rest of the batch. `caffe-bn-convert deploy` writes a prototxt that uses "
            "the stored statistics; --allow BN004 computes those of the batch, as Caffe would",
        ),
        Rule(
            "BN009",
            "bad-variance",
            stops=True,
            hint="such channels give NaN in Caffe too; --allow BN009 keeps them",
        ),
        Rule("DIA001", "dialect", stops=False, hint="nothing to do, if it is the fork that trained the net"),
        Rule(
            "NET001",
            "missing-weights",
            stops=True,
            hint="give the right weights file; --allow NET001 takes Caffe's default",
        ),
        Rule("NET002", "filled-weights", stops=False, hint="deterministic, and what Caffe does"),
        Rule(
            "NET003",
            "unknown-field",
            stops=True,
            hint="its meaning may change the result; remove it, or --allow NET003 to ignore it",
        ),
        Rule(
            "POOL001",
            "empty-pooling-window",
            stops=True,
            hint="Caffe gives -3.4e38 (MAX) or NaN (AVE) there; --allow POOL001 does the same",
        ),
    )
}
