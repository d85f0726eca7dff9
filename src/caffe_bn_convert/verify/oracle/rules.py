"""Every layer type that the oracle computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import (
    activation,
    conv,
    data,
    dense,
    detect,
    forks,
    join,
    loss,
    norm,
    pool,
    recurrent,
    reduce,
    resample,
    roi,
    shape,
)

if TYPE_CHECKING:
    from .layer import Rule

FAMILIES = (
    *(activation, conv, data, dense, join, loss, norm, pool, reduce, shape),
    *(detect, forks, recurrent, resample, roi),
)

LAYERS: dict[str, Rule] = {name: rule for family in FAMILIES for name, rule in family.LAYERS.items()}

DISCONTINUOUS: frozenset[str] = frozenset[str]().union(*(family.DISCONTINUOUS for family in FAMILIES))
"""Types whose output jumps under any noise: to judge them, run them on the other runtime's own bottoms."""


def discontinuous(parameter: Any) -> bool:
    """Whether the tops of this layer (a ``LayerParameter``) jump: its type is in DISCONTINUOUS, or it tells places."""
    kind = parameter.type
    masks = kind == "Pooling" and len(parameter.top) > 1
    if kind == "Python" and parameter.python_param.module in detect.CONTINUOUS:
        return False
    return kind in DISCONTINUOUS or masks or (kind == "Maximum" and len(parameter.bottom) == 1)
