"""Whether an output could have told right from wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from caffe_bn_convert.verify.tolerance import Array

SQUASHING = {"Softmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0), "TanH": (-1.0, 1.0), "SoftmaxWithLoss": (0.0, 1.0)}
NEAR = 1e-6
ROWS = ((7,), (12,), (15,))
"""How long rows of detections are: SSD's, and TextBoxes++'s with what it draws in a box."""


@dataclass(slots=True)
class Evidence:
    """What was seen of one output over all inputs.

    Attributes:
        type: the type of the layer that makes it.
    """

    type: str
    size: int = 0
    finite: int = 0
    low: float = np.inf
    high: float = -np.inf
    between: int = 0
    detections: int = 0

    def see(self, value: Array) -> None:
        """Take in the oracle's numbers for one input."""
        self.size += value.size
        finite = value[np.isfinite(value)]
        self.finite += finite.size
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        if self.type in SQUASHING:
            low, high = SQUASHING[self.type]
            self.between += int(np.count_nonzero((finite > low + NEAR) & (finite < high - NEAR)))
        if self.type == "DetectionOutput" and value.shape[-1:] in ROWS:
            self.detections += int(np.count_nonzero(value[..., 1] >= 0))

    def lacking(self) -> str:
        """Why these numbers prove nothing; empty if they do."""
        if not self.size:
            return "empty"
        if not self.finite:
            return "no finite number"
        if self.type == "DetectionOutput" and not self.detections:
            return "no detections"
        if self.low == self.high:
            return f"constant: {self.low:g} everywhere"
        if self.type in SQUASHING and not self.between:
            return "saturated: every number is at its limit"
        return ""
