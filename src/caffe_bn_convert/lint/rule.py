"""What a rule is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "info"]
"""error: Caffe refuses it, or the numbers are not what was meant. warning: probably a mistake. info: good to know."""

Source: TypeAlias = Literal["prototxt", "weights", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, with everything that its documentation says.

    Attributes:
        code: what ``--allow``, ``--select`` and ``--ignore`` call it.
        name: the same in words.
        severity: how bad a finding is.
        what: what is found, in one sentence.
        why: why that matters.
        hint: what to do, in one sentence.
        bad: an example that is found, as prototxt; for rules about numbers, as Python on the layers' blobs.
        good: the same, mended.
        stops: whether ``convert`` stops at it, unless ``--allow`` names it.
        fixable: whether ``lint --fix`` can mend it.
        needs: what must be given besides the prototxt: nothing, the weights, or the training net.
    """

    code: str
    name: str
    severity: Severity
    what: str
    why: str
    hint: str
    bad: str
    good: str
    stops: bool = False
    fixable: bool = False
    needs: Source = "prototxt"
