"""Mermaid, which GitHub and GitLab draw in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.inspect.draw.colours import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.inspect.draw.picture import Picture


def as_mermaid(found: Sequence[Picture]) -> str:
    """One subgraph a picture, side by side."""
    lines = ["flowchart TB"]
    lines += [f"  classDef {kind} fill:{fill},stroke:{line},color:#111827" for kind, (fill, line) in COLOURS.items()]
    for number, picture in enumerate(found):
        ids = {box.key: f"n{number}_{i}" for i, box in enumerate(picture.boxes)}
        inside = [f'{ids[box.key]}["{_safe(box.title)}<br/>{_safe(box.text)}"]:::{box.kind}' for box in picture.boxes]
        inside += [f"{ids[edge.source]} --> {ids[edge.target]}" for edge in picture.edges]
        if picture.title:
            lines += [f'  subgraph s{number}["{_safe(picture.title)}"]', *(f"    {line}" for line in inside), "  end"]
        else:
            lines += [f"  {line}" for line in inside]
    return "\n".join([*lines, ""])


def _safe(text: str) -> str:
    for character, entity in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
