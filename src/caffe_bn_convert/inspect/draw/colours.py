"""Fill and line of each kind of box; dark text on all of them has a contrast of 7 and more."""

from __future__ import annotations

COLOURS: dict[str, tuple[str, str]] = {
    "data": ("#f3f4f6", "#6b7280"),
    "conv": ("#dbeafe", "#2563eb"),
    "norm": ("#ffedd5", "#ea580c"),
    "fold": ("#fed7aa", "#c2410c"),
    "act": ("#dcfce7", "#16a34a"),
    "join": ("#f3e8ff", "#9333ea"),
    "pool": ("#fce7f3", "#db2777"),
    "other": ("#ffffff", "#6b7280"),
}
