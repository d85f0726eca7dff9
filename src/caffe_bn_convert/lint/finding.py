"""What a rule found: a code, a sentence, a place."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_bn_convert.errors import Where


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a rule.

    Attributes:
        code: the rule's code, such as ``"BN001"``.
        what: what is wrong here, in one sentence.
        where: the place.
    """

    code: str
    what: str
    where: Where = Where()
