"""Which layers a net has in a state: its phase, level and stages (``NetState``, ``NetStateRule``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from caffe_bn_convert.errors import InvalidNetError, UsageError, Where, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

Phase: TypeAlias = Literal["TRAIN", "TEST"]

_PHASES: tuple[Phase, ...] = ("TRAIN", "TEST")


@dataclass(frozen=True, slots=True)
class State:
    """The state of a net."""

    phase: Phase
    level: int
    stages: frozenset[str]


def phase_of(net: NetDefinition, phase: str | None = None) -> Phase:
    """The phase asked for, or else that of the net's own ``state``, or else TEST.

    Raises:
        UsageError: neither TRAIN nor TEST.
    """
    wanted = _phase(net.parameter.state) if phase is None else phase
    for known in _PHASES:
        if wanted == known:
            return known
    raise UsageError(f'there is no phase "{wanted}" in Caffe', hint="the phases are TEST and TRAIN")


def _phase(message: Any) -> str:
    """The phase that a message names; forks have more of them."""
    return str(message.DESCRIPTOR.fields_by_name["phase"].enum_type.values_by_number[message.phase].name)


def state_of(net: NetDefinition, phase: str | None = None, level: int = 0, stages: Sequence[str] = ()) -> State:
    """The state that Caffe gives to a net that it loads with these arguments.

    The stages of the net's own ``state`` count too; its level does not (net.cpp, the constructor of ``Net``).
    """
    return State(phase_of(net, phase), level, frozenset((*net.parameter.state.stage, *stages)))


def filter_state(
    net: NetDefinition, phase: str | None = None, level: int = 0, stages: Sequence[str] = ()
) -> NetDefinition:
    """The net with those of its layers that exist in a state; nothing else changes.

    Args:
        net: an upgraded net.
        phase: ``"TEST"`` or ``"TRAIN"``; None takes the net's own, or TEST.
        level: for ``min_level`` and ``max_level``.
        stages: for ``stage`` and ``not_stage``, besides the net's own.

    Raises:
        InvalidNetError: a layer has both include and exclude rules.
        UsageError: there is no such phase.
    """
    state = state_of(net, phase, level, stages)
    with at(Where(net.file)):
        return replace(net, layers=tuple(layer for layer in net.layers if _exists(layer, state)))


def _exists(layer: LayerDefinition, state: State) -> bool:
    include, exclude = layer.parameter.include, layer.parameter.exclude
    if include and exclude:
        what = "the layer has both include and exclude rules"
        raise InvalidNetError(what, hint="Caffe takes either", where=layer.where())
    if include:
        return any(meets(state, rule) for rule in include)
    return not any(meets(state, rule) for rule in exclude)


def meets(state: State, rule: Any) -> bool:
    """Whether a state meets a ``NetStateRule``: everything that the rule names must hold."""
    return (
        (not rule.HasField("phase") or _phase(rule) == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and state.stages.issuperset(rule.stage)
        and state.stages.isdisjoint(rule.not_stage)
    )
