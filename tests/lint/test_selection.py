"""Choosing rules."""

from __future__ import annotations

import pytest

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.lint.selection import Selection


@pytest.mark.parametrize(
    ("select", "ignore", "code", "chosen"),
    [
        (["ALL"], [], "BN001", True),
        (["BN"], [], "BN001", True),
        (["BN"], [], "NET001", False),
        (["bn00"], [], "BN001", True),
        (["zero-scale-factor"], [], "BN001", True),
        (["zero-scale-factor"], [], "BN002", False),
        (["ALL"], ["BN001"], "BN001", False),
        (["ALL"], ["BN"], "BN001", False),
        (["BN001"], ["BN"], "BN001", True),
        (["BN"], ["BN001"], "BN001", False),
        (["BN"], ["ALL"], "BN001", True),
        (["BN001"], ["BN001"], "BN001", False),
    ],
)
def test_selection(select: list[str], ignore: list[str], code: str, chosen: bool) -> None:
    assert Selection(select, ignore).has(code) is chosen


def test_no_such_rule() -> None:
    with pytest.raises(UsageError, match='no rule "zero-scale-faktor"') as caught:
        Selection(["zero-scale-faktor"])
    assert "zero-scale-factor" in str(caught.value)
