"""From what the net predicts to boxes: ``DecodeBBox`` of SSD's bbox_util.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffe_bn_convert.export.emitter import Emitter


def decode(e: Emitter, code: str, location: str, priors: str, variance: str | None) -> str:
    """Corners (…, 4) of the predicted boxes. Nothing is clipped.

    Args:
        e: where the nodes go.
        code: CORNER, CENTER_SIZE or CORNER_SIZE.
        location: (…, 4) offsets.
        priors: (…, 4) corners that broadcast with them.
        variance: their factors; None where the variance is encoded in the target.
    """
    scaled = location if variance is None else e.op("Mul", variance, location)
    if code == "CORNER":
        return str(e.op("Add", priors, scaled))
    low, high = e.split(priors, [2, 2], -1)
    side = e.op("Sub", high, low)
    if code == "CORNER_SIZE":
        return str(e.op("Add", priors, e.op("Mul", scaled, e.op("Concat", side, side, axis=-1))))
    shift, growth = e.split(scaled, [2, 2], -1)
    two = e.constant(2.0, "two")
    centre = e.op("Add", e.op("Mul", shift, side), e.op("Div", e.op("Add", low, high), two))
    half = e.op("Div", e.op("Mul", e.op("Exp", growth), side), two)
    return str(e.op("Concat", e.op("Sub", centre, half), e.op("Add", centre, half), axis=-1))
