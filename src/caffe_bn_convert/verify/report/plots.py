"""Plots as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.verify.report.model import BlobResult, Statistics

WIDTH, HEIGHT = 1040, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 22
LOWEST = 1e-12


def along_the_net(blobs: Sequence[BlobResult]) -> str:
    """Error (dots), noise and tolerance (lines) of every blob, by powers of ten, from the input to the outputs."""
    scale = _Decades([v for b in blobs for v in (b.worst.error, b.worst.noise, b.worst.tolerance)])
    across = (WIDTH - LEFT - RIGHT) / max(1, len(blobs) - 1)
    dots, noise, limit = [], [], []
    for place, blob in enumerate(blobs):
        x, d = LEFT + place * across, blob.worst
        noise.append(f"{x:.1f},{scale.y(d.noise):.1f}")
        limit.append(f"{x:.1f},{scale.y(d.tolerance):.1f}")
        told = escape(f"{blob.name} ({blob.type}): error {d.error:.3g}, noise {d.noise:.3g}, allowed {d.tolerance:.3g}")
        size, kind = (5, "error fail") if blob.status == "fail" else (2.6, "error")
        dots.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{scale.y(d.error):.1f}" r="{size}"><title>{told}</title></circle>'
        )
    lines = f'<polyline class="noise" points="{" ".join(noise)}"/><polyline class="limit" points="{" ".join(limit)}"/>'
    return _svg(
        WIDTH, HEIGHT, "Error of every blob beside noise and tolerance", scale.axes() + lines + "".join(dots) + LEGEND
    )


LEGEND = (
    f'<circle class="error" cx="{LEFT + 8}" cy="12" r="3"/><text x="{LEFT + 16}" y="16">error</text>'
    f'<path class="noise" d="M{LEFT + 66} 12h18"/><text x="{LEFT + 90}" y="16">noise of float32</text>'
    f'<path class="limit" d="M{LEFT + 196} 12h18"/><text x="{LEFT + 220}" y="16">allowed</text>'
)


class _Decades:
    """A logarithmic axis over these numbers."""

    def __init__(self, values: Sequence[float]) -> None:
        finite = [value for value in values if math.isfinite(value) and value > LOWEST] or [1e-7, 1e-6]
        self.low, self.high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
        self.high = max(self.high, self.low + 1)

    def y(self, value: float) -> float:
        """From a number to its height; what is off the axis lies on its edge."""
        power = math.log10(min(max(value, LOWEST), 1e30)) if not math.isnan(value) else self.high
        share = (min(max(power, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def axes(self) -> str:
        """A line and a label for every power of ten, or for some of many."""
        step = max(1, (self.high - self.low) // 8)
        parts = []
        for power in range(self.low, self.high + 1, step):
            y = self.y(10.0**power)
            parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>')
        parts.append(f'<text x="{LEFT}" y="{HEIGHT - 4}">input</text>')
        parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">output</text>')
        return "".join(parts)


def channels(one: Statistics) -> str:
    """Scale and shift of every channel of a BatchNorm, sorted by variance."""
    order = sorted(range(len(one.variance)), key=lambda channel: one.variance[channel])
    scale, shift = [one.scale[c] for c in order], [one.shift[c] for c in order]
    lowest, highest = min(one.variance, default=0.0), max(one.variance, default=0.0)
    words = f"variance {lowest:.2g} to {highest:.2g}, eps {one.eps:.2g}"
    inside = _curve(scale, "line") + _curve(shift, "other")
    labels = (
        f'<text x="4" y="12">scale up to {_largest(scale):.2g}, shift up to {_largest(shift):.2g}</text>'
        f'<text x="4" y="136">{escape(words)}</text>'
    )
    return _svg(260, 140, f"Scale and shift of {one.layer}", '<path class="axis" d="M4 70H256"/>' + inside + labels)


def _curve(values: Sequence[float], kind: str) -> str:
    """The values over their own largest one, 0 in the middle."""
    largest = _largest(values) or 1.0
    across = 252 / max(1, len(values) - 1)
    points = [f"{4 + i * across:.1f},{70 - 48 * v / largest:.1f}" for i, v in enumerate(values) if math.isfinite(v)]
    return f'<polyline class="{kind}" points="{" ".join(points)}"/>'


def _largest(values: Sequence[float]) -> float:
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0)


def _svg(width: int, height: int, title: str, inside: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img"><title>{escape(title)}</title>{inside}</svg>'
