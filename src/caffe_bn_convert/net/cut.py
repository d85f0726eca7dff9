"""Cutting nets off: behind a blob, or where the suppression of boxes begins, for runtimes that do not have it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.net.losses import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

HEADS = frozenset({"DetectionOutput", "DetectionOutputExtended", "YoloDetectionOutput", "Yolov3DetectionOutput", "Nms"})
"""Types whose bottoms are outputs then: for SSD the locations, the confidences and the prior boxes."""


def cut_at_raw(net: NetDefinition) -> tuple[NetDefinition, list[Note]]:
    """The net without its heads and what reads their tops; their bottoms are outputs now.

    Raises:
        UsageError: it has no such head.
    """
    kept: list[LayerDefinition] = []
    notes: list[Note] = []
    gone: set[str] = set()
    for layer in net.layers:
        bottoms = list(layer.parameter.bottom)
        if layer.type in HEADS:
            notes.append(Note(layer.name, f"{layer.type} is cut off; its bottoms are outputs: {', '.join(bottoms)}"))
        elif gone & set(bottoms):
            notes.append(Note(layer.name, f"{layer.type} is cut off with what it reads"))
        else:
            gone -= set(layer.parameter.top)
            kept.append(layer)
            continue
        gone |= set(layer.parameter.top)
    if not notes:
        raise UsageError(f"the net has nothing to cut off: no {', no '.join(sorted(HEADS))}")
    return replace(net, layers=tuple(kept)), notes


def end_behind(net: NetDefinition, until: Sequence[str]) -> NetDefinition:
    """The net up to the last layer that makes one of these blobs; what comes behind need not be convertible."""
    makers = [i for i, layer in enumerate(net.layers) if set(layer.parameter.top) & set(until)]
    made = {top for layer in net.layers for top in layer.parameter.top}
    if not makers or not set(until) <= made:
        return net
    return replace(net, layers=net.layers[: makers[-1] + 1])
