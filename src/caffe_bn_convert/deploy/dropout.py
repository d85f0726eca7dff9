"""Which Dropout layers can go, and who reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.net.losses import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caffe_bn_convert.caffe.definition import LayerDefinition


def droppable(
    layers: Sequence[LayerDefinition], notes: list[Note]
) -> Iterator[tuple[LayerDefinition, list[LayerDefinition]]]:
    """Every Dropout layer that can be taken out, with the layers that read its top; adds a note for others.

    Forks have Dropout that does something at test time (``scale_train: false``, ``sample_weights_test: true``). One
    that names the net's output, or whose blobs are overwritten later on, stays because others need the names.
    """
    for i, layer in enumerate(layers):
        if layer.type != "Dropout":
            continue
        why, readers = _obstacle(layer, layers[i + 1 :])
        if why is None:
            yield layer, readers
        else:
            notes.append(Note(layer.name, f"Dropout stays: {why}"))


def _obstacle(layer: LayerDefinition, later: Sequence[LayerDefinition]) -> tuple[str | None, list[LayerDefinition]]:
    parameter = layer.parameter
    top, bottom = parameter.top[0], parameter.bottom[0]
    readers = [other for other in later if top in other.parameter.bottom]
    if _acts(layer):
        return "in the fork that this net is for it does something at test time", []
    if top == bottom:
        return None, readers
    if not readers:
        return "its top is an output of the net", []
    if any({top, bottom} & set(other.parameter.top) for other in later):
        return "its blobs are overwritten later on", []
    return None, readers


def _acts(layer: LayerDefinition) -> bool:
    block = layer.text.block("dropout_param") if layer.text is not None else None
    return block is not None and (block.get("scale_train") is False or block.get("sample_weights_test") is True)
