"""A layered layout: each box below what it reads, long arrows led around the boxes between.

ranks by the longest way from an input; an arrow over several ranks gets a bend in each; the order in a rank and then
the places follow what is above and below, back and forth a few times (Sugiyama, Tagawa and Toda 1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caffe_bn_convert.inspect.draw.picture import Picture

_SWEEPS = 12
_BEND = 14.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are.

    Attributes:
        centres: x of the middle and rank of every box, by key.
        routes: for every edge the (x, rank) of its bends, in the order of the picture's edges.
        left, right: the outermost places.
        ranks: how many.
    """

    centres: Mapping[str, tuple[float, int]]
    routes: tuple[tuple[tuple[float, int], ...], ...]
    left: float
    right: float
    ranks: int


def layout(picture: Picture, widths: Mapping[str, float], gap: float) -> Layout:
    """Place the boxes of a picture, whose boxes come after all that they read."""
    rank: dict[str, int] = {box.key: 0 for box in picture.boxes}
    for edge in picture.edges:  # in order of the reader, so that its sources are settled
        rank[edge.target] = max(rank[edge.target], rank[edge.source] + 1)
    _lower_inputs(picture, rank)
    sizes = dict(widths)
    links: list[tuple[str, str]] = []
    routes: list[list[str]] = []
    for number, edge in enumerate(picture.edges):
        bends = [f"bend:{number}:{level}" for level in range(rank[edge.source] + 1, rank[edge.target])]
        for level, bend in enumerate(bends, rank[edge.source] + 1):
            rank[bend], sizes[bend] = level, _BEND
        chain = [edge.source, *bends, edge.target]
        links += pairwise(chain)
        routes.append(bends)
    places = _places(rank, sizes, links, gap)
    left = min((places[key] - sizes[key] / 2 for key in places), default=0.0)
    right = max((places[key] + sizes[key] / 2 for key in places), default=0.0)
    return Layout(
        {box.key: (places[box.key], rank[box.key]) for box in picture.boxes},
        tuple(tuple((places[bend], rank[bend]) for bend in bends) for bends in routes),
        left, right, max(rank.values(), default=0) + 1,
    )  # fmt: skip


def _lower_inputs(picture: Picture, rank: dict[str, int]) -> None:
    """Put what reads nothing right above its first reader."""
    fed = {edge.target for edge in picture.edges}
    for box in picture.boxes:
        below = [rank[edge.target] for edge in picture.edges if edge.source == box.key] if box.key not in fed else []
        if below:
            rank[box.key] = min(below) - 1


def _places(
    rank: Mapping[str, int], sizes: Mapping[str, float], links: Sequence[tuple[str, str]], gap: float
) -> dict[str, float]:
    """The x of every box and bend."""
    rows: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for key, level in rank.items():
        rows[level].append(key)
    above: dict[str, list[str]] = {key: [] for key in rank}
    below: dict[str, list[str]] = {key: [] for key in rank}
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    places: dict[str, float] = {}
    for row in rows:
        _spread(row, dict.fromkeys(row, 0.0), sizes, gap, places)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            neighbours = above if down else below
            wanted = {key: _mean((places[other] for other in neighbours[key]), places[key]) for key in row}
            row.sort(key=lambda key: wanted[key])
            _spread(row, wanted, sizes, gap, places)
    return places


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return sum(found) / len(found) if found else otherwise


def _spread(
    row: Sequence[str], wanted: Mapping[str, float], sizes: Mapping[str, float], gap: float, places: dict[str, float]
) -> None:
    """Place a row as near to what is wanted as its order and the gaps allow: runs that touch move as one."""
    runs: list[tuple[list[str], float]] = []
    for key in row:
        run, centre = [key], wanted[key]
        while runs and runs[-1][1] + _extent(runs[-1][0], sizes, gap) / 2 + gap > centre - _extent(run, sizes, gap) / 2:
            before, where = runs.pop()
            many, few = len(before), len(run)
            joined = [*before, *run]
            # the middle of the joined run, if both parts kept their places on average
            offset = (_extent(joined, sizes, gap) - _extent(before, sizes, gap)) / 2
            other = (_extent(joined, sizes, gap) - _extent(run, sizes, gap)) / 2
            centre = (many * (where + offset) + few * (centre - other)) / (many + few)
            run = joined
        runs.append((run, centre))
    for run, centre in runs:
        x = centre - _extent(run, sizes, gap) / 2
        for key in run:
            places[key] = x + sizes[key] / 2
            x += sizes[key] + gap


def _extent(run: Sequence[str], sizes: Mapping[str, float], gap: float) -> float:
    return sum(sizes[key] for key in run) + gap * (len(run) - 1)
