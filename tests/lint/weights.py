"""Weights for the rules that look at numbers: a sound net, and what each rule spoils in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Weights = dict[str, list[np.ndarray]]

FACTOR = 999.98


def sound() -> Weights:
    """BatchNorm and Scale of 3 channels, a convolution of 5 by 3x3x3."""
    rng = np.random.default_rng(7)
    return {
        "bn": statistics([0.9, 0.1, 1.2]),
        "scale": [np.array([1.5, 0.5, -1.0]), np.array([0.1, 0.2, 0.3])],
        "conv": [rng.normal(size=(5, 3, 3, 3)), np.array([0.1, 0.2, 0.3, 0.4, 0.5])],
    }


def statistics(variance: list[float], factor: float = FACTOR) -> list[np.ndarray]:
    """A BatchNorm's three blobs."""
    return [np.array([0.1, -0.2, 0.3]) * factor, np.array(variance) * factor, np.array([factor])]


def spoiled(code: str) -> Weights:
    """The weights of the bad example of a rule."""
    weights = sound()
    BAD[code](weights)
    return weights


def _set(name: str, index: int, value: object) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[name][index] = np.asarray(value, np.float64)

    return change


def _bias(value: float) -> Callable[[Weights], None]:
    return _set("conv", 1, [0.1, value, 0.3, 0.4, 0.5])


def _dead_filter(weights: Weights) -> None:
    weights["conv"][0][1] = 0


def _nvidia(weights: Weights) -> None:
    ones = np.ones(3)
    weights["bn"] = [ones, ones / 2, ones / 3, ones / 4, np.ones(1)]


def _rename(weights: Weights) -> None:
    weights["conv_1"] = weights.pop("conv")


BAD: dict[str, Callable[[Weights], object]] = {
    "BN001": _set("bn", 2, [0]),
    "BN002": _set("bn", 2, [-1]),
    "BN009": lambda w: w.update(bn=statistics([0.9, -0.1, 1.2])),
    "BN011": lambda w: w.update(bn=[np.ones(5), np.ones(5), np.ones(1)]),
    "BN012": lambda w: w.pop("bn"),
    "BN014": lambda w: w.update(bn=statistics([0.9, 0.1, 1.2], 95.2)),
    "BN017": lambda w: w.update(bn=statistics([0.9, 1e-9, 1.2])),
    "DIA001": _nvidia,
    "NET001": _rename,
    "NET002": lambda w: w.pop("scale"),
    "NET012": lambda w: w.update(conv=[np.ones((7, 3, 3, 3)), np.ones(7)]),
    "NET013": lambda w: w.update(fc_old=[np.ones((2, 3))]),
    "WGT001": _bias(np.nan),
    "WGT002": _bias(1e-40),
    "WGT003": _dead_filter,
}
