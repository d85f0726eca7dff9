"""Which rules are asked for: codes, beginnings of codes, and names."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.lint.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence


def matches(pattern: str, code: str) -> bool:
    """Whether a pattern (``BN004``, ``BN``, ``batch-statistics``, ``ALL``) means the rule with this code."""
    return pattern.upper() == "ALL" or code.startswith(pattern.upper()) or RULES[code].name == pattern.lower()


@dataclass(frozen=True, slots=True)
class Selection:
    """Rules to run: those that ``select`` names, less those that ``ignore`` names; the longer pattern wins.

    Raises:
        UsageError: a pattern that means no rule.
    """

    select: Sequence[str] = ("ALL",)
    ignore: Sequence[str] = ()

    def __post_init__(self) -> None:
        for pattern in (*self.select, *self.ignore):
            _check(pattern)

    def has(self, code: str) -> bool:
        """Whether the rule is to run."""
        return _weight(self.select, code) > _weight(self.ignore, code)


def _weight(patterns: Sequence[str], code: str) -> int:
    """How closely the closest pattern means a code; 0 for not at all."""
    return max((_closeness(pattern, code) for pattern in patterns if matches(pattern, code)), default=0)


def _closeness(pattern: str, code: str) -> int:
    if pattern.upper() == "ALL":
        return 1
    return 1 + (len(pattern) if code.startswith(pattern.upper()) else len(code))


def _check(pattern: str) -> None:
    if pattern and any(matches(pattern, code) for code in RULES):
        return
    names = [*RULES, *(rule.name for rule in RULES.values())]
    near = difflib.get_close_matches(pattern, names, n=1)
    hint = f'did you mean "{near[0]}"?' if near else "`caffe-bn-convert lint --rules` lists them"
    raise UsageError(f'there is no rule "{pattern}"', hint=hint)
