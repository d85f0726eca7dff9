"""Detection heads: prior boxes and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import detection_output
from .prior_box import prior_box

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Rule

__all__ = ["DISCONTINUOUS", "LAYERS"]

LAYERS: dict[str, Rule] = {
    "DetectionOutput": detection_output,
    "PriorBox": prior_box,
}
DISCONTINUOUS: frozenset[str] = frozenset({"DetectionOutput"})
