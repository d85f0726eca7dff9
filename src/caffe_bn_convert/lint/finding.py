"""What a rule found: a code, a sentence, a place, and perhaps how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_bn_convert.errors import Where


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the prototxt's text: what stands from ``start`` to ``end`` (offsets, end excluded) becomes ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a rule.

    Attributes:
        code: the rule's code, such as ``"BN001"``.
        what: what is wrong here, in one sentence.
        where: the place.
        edits: changes of the prototxt's text that mend it; empty where only a person can.
    """

    code: str
    what: str
    where: Where = Where()
    edits: tuple[Edit, ...] = ()
