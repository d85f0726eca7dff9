"""SVG, drawn by ourselves: nothing to install, and the same bytes for the same net."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from caffe_bn_convert.inspect.draw.colours import COLOURS
from caffe_bn_convert.inspect.draw.layout import Layout, layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.inspect.draw.picture import Box, Picture

_HEIGHT, _PITCH, _GAP = 34.0, 58.0, 18.0
_MARGIN, _BETWEEN, _TITLE = 24.0, 56.0, 34.0
_LETTER, _PADDING, _LEAST, _MOST = 6.3, 18.0, 96.0, 300.0
_STYLE = (
    "text{font-family:system-ui,sans-serif;fill:#111827;text-anchor:middle}"
    ".name{font-size:11px;font-weight:600}.type{font-size:10px;fill:#374151}"
    ".title{font-size:14px;font-weight:600}path{fill:none;stroke:#9ca3af;stroke-width:1.3}"
)


def as_svg(found: Sequence[Picture]) -> str:
    """The pictures side by side; folded layers have thick outlines."""
    x, height = _MARGIN, 0.0
    parts: list[str] = []
    for picture in found:
        widths = {box.key: _width(box) for box in picture.boxes}
        places = layout(picture, widths, _GAP)
        title = _width_of(picture.title) * 1.25
        width = max(places.right - places.left, title)
        parts += _drawn(picture, places, widths, x + (width - (places.right - places.left)) / 2 - places.left)
        if picture.title:
            parts.append(
                f'<text class="title" x="{x + width / 2:.1f}" y="{_MARGIN + 6:.1f}">{escape(picture.title)}</text>'
            )
        x += width + _BETWEEN
        height = max(height, _top(picture) + places.ranks * _PITCH)
    size = f"{x - _BETWEEN + _MARGIN:.0f}", f"{height - _PITCH + _HEIGHT + _MARGIN:.0f}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}">'
        f"<style>{_STYLE}</style>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#9ca3af;stroke:none"/></marker></defs>'
        '<rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _drawn(picture: Picture, places: Layout, widths: dict[str, float], shift: float) -> list[str]:
    top = _top(picture)
    parts = []
    for edge, bends in zip(picture.edges, places.routes, strict=True):
        x0, level0 = places.centres[edge.source]
        x1, level1 = places.centres[edge.target]
        points = [(x0 + shift, top + level0 * _PITCH + _HEIGHT)]
        for x, level in bends:
            points += [(x + shift, top + level * _PITCH), (x + shift, top + level * _PITCH + _HEIGHT)]
        points.append((x1 + shift, top + level1 * _PITCH))
        parts.append(f'<path d="{_curve(points)}" marker-end="url(#tip)"/>')
    for box in picture.boxes:
        x, level = places.centres[box.key]
        parts.append(_box(box, x + shift, top + level * _PITCH, widths[box.key]))
    return parts


def _top(picture: Picture) -> float:
    return _MARGIN + (_TITLE if picture.title else 0.0)


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Curves between ranks, straight lines through them; every second point begins a curve."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for i in range(1, len(points)):
        (x0, y0), (x1, y1) = points[i - 1], points[i]
        if i % 2 == 0 or abs(x0 - x1) < 0.05:
            parts.append(f"L{x1:.1f} {y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            parts.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return "".join(parts)


def _box(box: Box, x: float, y: float, width: float) -> str:
    fill, line = COLOURS[box.kind]
    stroke = 2.4 if box.group is not None else 1.2
    return (
        f"<g><title>{escape(f'{box.title}: {box.text}')}</title>"
        f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT:.1f}" rx="6" '
        f'fill="{fill}" stroke="{line}" stroke-width="{stroke}"/>'
        f'<text class="name" x="{x:.1f}" y="{y + 14:.1f}">{escape(_cut(box.title))}</text>'
        f'<text class="type" x="{x:.1f}" y="{y + 27:.1f}">{escape(_cut(box.text))}</text></g>'
    )


def _cut(text: str) -> str:
    most = int((_MOST - _PADDING) / _LETTER)
    return text if len(text) <= most else text[: most - 1] + "…"


def _width(box: Box) -> float:
    return min(_MOST, max(_LEAST, _PADDING + max(_width_of(box.title), _width_of(box.text))))


def _width_of(text: str) -> float:
    return _LETTER * len(text)
