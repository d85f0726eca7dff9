"""The oracle's two passes, side by side, with the runtime's values along the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from caffe_bn_convert.errors import Where, at
from caffe_bn_convert.verify.oracle import LAYERS, discontinuous, forward, run
from caffe_bn_convert.verify.oracle.values import Read, is_input, plan
from caffe_bn_convert.verify.orders import of_batch, other_order
from caffe_bn_convert.verify.tolerance import ROUNDOFF, measure, sizes, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.verify.oracle.layer import Rule
    from caffe_bn_convert.verify.oracle.values import Plan, Step
    from caffe_bn_convert.verify.tolerance import Array

    class Shown(Protocol):
        """The runtime's numbers of those values that the file shows."""

        def __contains__(self, key: str) -> bool: ...

        def get(self, key: str) -> Array | None:
            """The numbers, or None."""


SQUASHING = frozenset(
    {"Softmax", "SoftmaxWithLoss", "Sigmoid", "TanH", "Exp", "MVN", "Normalize", "L2Normalize", "GroupNorm"}
)
FEW = 64

OF_SHAPES = frozenset({"PriorBox", "PriorBoxClustered"})
"""Their tops hang on the shapes of their bottoms alone, so they are known whatever the runtime shows."""

LIMITED = frozenset({"Softmax", "SoftmaxWithLoss", "Sigmoid", "TanH", "LSTM", "ConvLSTM", "RNN"})
"""Their numbers lie between -1 and 1, and runtimes compute them to one rounding of 1: next to 0 that is all of them."""


@dataclass(frozen=True, slots=True)
class Caffe:
    """What a net is to Caffe, and all that the oracle needs.

    Attributes:
        net: upgraded, with the layers of one state.
        blobs: each layer's blobs.
        phase: "TEST" or "TRAIN".
        rules: the oracle's layer types by Caffe's name.
    """

    net: NetDefinition
    blobs: Sequence[Sequence[Blob | None]]
    phase: str = "TEST"
    rules: Mapping[str, Rule] = field(default_factory=lambda: LAYERS)

    def run(self, arrays: Mapping[str, Array], dtype: Any, **options: Any) -> dict[str, Array]:
        """One pass of the oracle over the whole net; see :func:`caffe_bn_convert.verify.oracle.run`."""
        return run(self.net, self.blobs, arrays, dtype, phase=self.phase, rules=self.rules, **options)


@dataclass(frozen=True, slots=True)
class Visit:
    """One value of the net.

    Attributes:
        key: its name; see :mod:`caffe_bn_convert.verify.oracle.values`.
        layer: the layer that made it.
        index: that layer's place in the net.
        exact, rounded: the oracle's numbers in float64 and in float32.
        actual: the runtime's numbers; None if the file does not show them.
        jumps: whether the layer's output jumps under noise. Then ``exact`` and ``rounded`` were computed from the
            runtime's own bottoms, where these are shown.
        others: what a layer that jumps makes of bottoms that are off by their noise, where the runtime's are not shown.
        based: whether a layer that jumps stands before this value, or is it, so that ``exact`` depends on what the
            runtime chose there.
    """

    key: str
    layer: LayerDefinition
    index: int
    exact: Array
    rounded: Array
    actual: Array | None
    jumps: bool
    based: bool
    others: tuple[Array, ...] = ()

    def shown_as(self, value: Array) -> Visit:
        """The same with this for the runtime's numbers, in the shape that they should have."""
        return replace(self, actual=value.reshape(self.exact.shape))

    def bare(self) -> Visit:
        """The same without its numbers."""
        nothing = np.empty(0)
        return replace(self, exact=nothing, rounded=nothing, actual=None, others=())


@dataclass(slots=True)
class _Values:
    """A value on its way: the oracle's two, the runtime's if it is needed later, whether it is based, its noise by shape."""

    exact: Array
    rounded: Array
    own: Array | None
    based: bool
    others: tuple[Array, ...] = ()
    units: dict[tuple[int, ...], Array] = field(default_factory=dict)

    @property
    def unit(self) -> Array:
        """The unit of its noise by group, measured once for all who read it."""
        shape = self.exact.shape
        if shape not in self.units:
            self.units[shape] = measure(self.exact, self.rounded).unit
        return self.units[shape]


def walk(
    caffe: Caffe,
    arrays: Mapping[str, Array],
    shown: Shown,
    *,
    local: bool = False,
    believed: Callable[[Visit], bool] | None = None,
) -> Iterator[Visit]:
    """Visit every value in the order in which Caffe computes it.

    Layers whose output jumps are judged on the runtime's own bottoms, and what follows them goes on from the runtime's
    own choice.

    Args:
        caffe: the net.
        arrays: its inputs.
        shown: the runtime's numbers.
        local: judge *every* layer on the runtime's own bottoms. The first one that is wrong then is the one at fault.
        believed: whether what is shown is the value that it is shown for; None: always. Nothing goes on from what is
            not. The shapes of what has to be believed do not matter.

    Raises:
        UnsupportedError: the oracle does not know a layer.
    """
    net = plan(caffe.net)
    wanted = _wanted(caffe, net, shown)
    readers = Counter(read.key for reads in (*(s.bottoms for s in net.steps), net.outputs.values()) for read in reads)
    pass_ = _Pass(caffe, arrays, shown, wanted, believed, local=local)
    for step in net.steps:
        for visit in pass_.step(step, readers):
            if net.outputs.get(visit.key, Read(visit.key, visit.key)).key == visit.key:
                yield visit
        for read in step.bottoms:
            readers[read.key] -= 1
            if not readers[read.key]:
                del pass_.live[read.key]
    for name, read in net.outputs.items():
        if read.key != name:  # a layer worked in place on memory that this blob shares
            yield pass_.view(name, read)


class _Pass:
    def __init__(
        self,
        caffe: Caffe,
        arrays: Mapping[str, Array],
        shown: Shown,
        wanted: frozenset[str],
        believed: Callable[[Visit], bool] | None,
        *,
        local: bool,
    ) -> None:
        self.caffe, self.arrays, self.shown, self.wanted, self.local = caffe, arrays, shown, wanted, local
        self.believed = believed
        self.live: dict[str, _Values] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.makers: dict[str, int] = {}

    def step(self, step: Step, readers: Mapping[str, int]) -> Iterator[Visit]:
        layer = self.caffe.net.layers[step.index]
        jumps = not is_input(layer) and discontinuous(layer.parameter)
        with at(layer.where()), at(Where(file=self.caffe.net.file)):
            values = self._computed(step, jumps=jumps)
        for key, value in zip(step.tops, values, strict=True):
            told = None if is_input(layer) else self.shown.get(key)
            visit = Visit(key, layer, step.index, value.exact, value.rounded, told, jumps, value.based, value.others)
            if self.believed is not None and told is not None and told.size == value.exact.size:
                visit = visit.shown_as(told)
            yield visit
            self.shapes[key], self.makers[key] = value.exact.shape, step.index
            self._keep(visit, value)
            if readers[key]:
                self.live[key] = value

    def _keep(self, visit: Visit, value: _Values) -> None:
        """Go on from what the runtime has, where that is asked for."""
        actual = visit.actual
        if actual is None or actual.shape != value.exact.shape or not (self.believed is None or self.believed(visit)):
            return
        if visit.jumps or self.local:
            value.exact, value.rounded = actual.astype(np.float64), actual.astype(np.float32)
            value.units = {}
        if visit.key in self.wanted:
            value.own = actual

    def view(self, name: str, read: Read) -> Visit:
        index, value = self.makers[read.like], self._read(read)
        actual = self.shown.get(name)
        return Visit(name, self.caffe.net.layers[index], index, value.exact, value.rounded, actual, False, value.based)

    def _read(self, read: Read) -> _Values:
        value, shape = self.live[read.key], self.shapes[read.like]
        own = None if value.own is None else value.own.reshape(shape)
        return _Values(value.exact.reshape(shape), value.rounded.reshape(shape), own, value.based, units=value.units)

    def _computed(self, step: Step, *, jumps: bool) -> list[_Values]:
        layer = self.caffe.net.layers[step.index]
        if is_input(layer):
            given = [np.asarray(self.arrays[key]) for key in step.tops]
            return [_Values(x.astype(np.float64), x.astype(np.float32), x, based=False) for x in given]
        bottoms = [self._read(read) for read in step.bottoms]
        based = jumps or any(value.based for value in bottoms)
        own = [value.own for value in bottoms if value.own is not None]
        known = len(own) == len(bottoms)
        high = self._forward(step, own if jumps and known else [v.exact for v in bottoms], np.float64)
        low = self._forward(step, own if jumps and known else [v.rounded for v in bottoms], np.float32)
        other = other_order(layer, [v.rounded for v in bottoms], self.caffe.blobs[step.index], self.caffe.phase)
        if other is not None and other.shape == high[0].shape:
            low = [farther(high[0], low[0], other)]
        if not jumps and (
            of_batch(layer, self.caffe.blobs[step.index], self.caffe.phase) or _few_or_squashed(layer, high)
        ):
            low = [farther(z, y, shaken) for z, y, shaken in zip(high, low, self._shaken(step, bottoms), strict=True)]
        if layer.type in LIMITED:
            low = [farther(z, y, z + ROUNDOFF) for z, y in zip(high, low, strict=True)]
        others = self._others(step, bottoms) if jumps and not known else [()] * len(high)
        values = [_Values(z, y, None, based, o) for z, y, o in zip(high, low, others, strict=True)]
        if (known or layer.type in OF_SHAPES) and self.wanted.intersection(step.tops):
            seen = own if known else [v.exact for v in bottoms]
            for value, derived in zip(values, self._forward(step, seen, np.float64), strict=True):
                value.own = derived
        return values

    def _others(self, step: Step, bottoms: Sequence[_Values]) -> list[tuple[Array, ...]]:
        """For each top what else the layer may choose if its bottoms are off by their noise."""
        return list(zip(*(self._shaken(step, bottoms, sign) for sign in (1, -1)), strict=True))

    def _shaken(self, step: Step, bottoms: Sequence[_Values], sign: int = 1) -> list[Array]:
        """The layer's tops for bottoms that are off by their noise, up and down like a chess board."""
        moved = []
        for value in bottoms:
            unit = sign * spread(value.unit, value.exact.shape)
            squares = sum(np.ogrid[tuple(slice(size) for size in value.exact.shape)], start=np.zeros((), int)) % 2
            moved.append(value.exact + np.where(squares, unit, -unit))
        return self._forward(step, moved, np.float64)

    def _forward(self, step: Step, bottoms: Sequence[Array], dtype: type[np.floating[Any]]) -> list[Array]:
        caffe = self.caffe
        layer, blobs = caffe.net.layers[step.index], caffe.blobs[step.index]
        return forward(layer, bottoms, blobs, dtype, phase=caffe.phase, rules=caffe.rules)


def _wanted(caffe: Caffe, steps: Plan, shown: Shown) -> frozenset[str]:
    """The values whose runtime numbers lead to the bottoms of layers that jump."""
    wanted: set[str] = set()
    for step in reversed(steps.steps):
        hidden = any(key in wanted and key not in shown for key in step.tops)
        if hidden or discontinuous(caffe.net.layers[step.index].parameter):
            wanted.update(read.key for read in step.bottoms)
    return frozenset(wanted)


def _few_or_squashed(layer: LayerDefinition, tops: Sequence[Array]) -> bool:
    """Whether one float32 pass may well show next to no noise by luck: too few numbers, or most of them at a limit."""
    return layer.type in SQUASHING or any(0 < top.size <= FEW * max(1, sizes(top.shape)[0]) for top in tops)


def farther(exact: Array, one: Array, other: Array) -> Array:
    """Of two float32 renderings, number by number the one that is farther from the exact one."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.where(np.abs(other - exact) > np.abs(one - exact), other, one).astype(np.float32))
