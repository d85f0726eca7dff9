"""Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.inspect.draw.colours import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.inspect.draw.picture import Picture


def as_dot(found: Sequence[Picture]) -> str:
    """One cluster a picture, side by side."""
    lines = ["digraph net {", '  node [shape=box style="filled,rounded" fontname="sans-serif" fontsize=10]']
    for number, picture in enumerate(found):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(picture.title)}"]
        for box in picture.boxes:
            fill, line = COLOURS[box.kind]
            width = 2 if box.group is not None else 1
            label = _quoted(f"{box.title}\n{box.text}")
            lines.append(
                f'    "{number}/{_id(box.key)}" [label={label} fillcolor="{fill}" color="{line}" penwidth={width}]'
            )
        lines += [f'    "{number}/{_id(edge.source)}" -> "{number}/{_id(edge.target)}"' for edge in picture.edges]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _id(key: str) -> str:
    return _quoted(key)[1:-1]
