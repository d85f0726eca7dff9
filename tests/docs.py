"""The code blocks of a page of the documentation."""

from __future__ import annotations

import re

from tests.paths import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of ``docs/<page>`` in this language, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
