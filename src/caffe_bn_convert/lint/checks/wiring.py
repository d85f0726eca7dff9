"""Who reads and who makes which blob: NET004 to NET010, and what was found while reading the net."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import field_place, layer_place
from caffe_bn_convert.net.crops import of_two_meanings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.lint.context import Context, Reading

# These write their top before they have read all of their bottom.
_GARBLED = frozenset(
    {
        "Convolution", "ConvolutionDepthwise", "Deconvolution", "DepthwiseConvolution", "Embed", "InnerProduct", "LRN",
        "LSTM", "Pooling", "RNN", "Upsample",
    }
)  # fmt: skip
_SELDOM_LAST = frozenset({"BatchNorm", "Dropout", "Im2col", "LRN", "Pooling", "PriorBox", "Slice", "Split"})


def found_while_reading(context: Context) -> Iterator[Finding]:
    """NET001, NET002, NET012, NET015, NET016, POOL001, and what the layer types themselves find."""
    yield from context.findings


def clashes(context: Context) -> Iterator[Finding]:
    """NET004 and NET010."""
    for clash in context.wiring.clashes:
        if clash.code == "NET011":
            continue
        layer = context.readings[clash.layer].definition
        other = context.readings[clash.other if clash.other is not None else clash.layer]
        where = field_place(layer, context.net, "top", position=clash.position)
        told = (
            f'it works in place on "{clash.blob}", which layer "{other.name}" has read before'
            if clash.code == "NET004"
            else f'its top "{clash.blob}" is made by layer "{other.name}", too'
        )
        yield Finding(clash.code, told, where)


def cannot_work_in_place(context: Context) -> Iterator[Finding]:
    """NET005 of layers that do not refuse it themselves."""
    for reading in context.readings:
        blob = _in_place(reading)
        if blob is not None and reading.typed is not None and reading.type in _GARBLED:
            what = f'it works in place on "{blob}", and overwrites what it still has to read'
            yield Finding("NET005", what, field_place(reading.definition, context.net, "top", position=0))


def overwrites_the_input(context: Context) -> Iterator[Finding]:
    """NET006."""
    inputs = {value.blob for reading in context.readings if reading.type == "Input" for value in reading.tops}
    for reading in context.readings:
        blob = _in_place(reading)
        if blob in inputs:
            what = f'it works in place on the input "{blob}", which then no longer holds what was fed'
            yield Finding("NET006", what, field_place(reading.definition, context.net, "top", position=0))


def unread(context: Context) -> Iterator[Finding]:
    """NET007 for inputs, NET008 for layers that seldom end a net."""
    idle = [value for value in context.wiring.values if not value.readers and value.maker is not None]
    outputs = [value for value in idle if _type(context, value.maker) not in _SELDOM_LAST]
    for reading in context.readings:
        for position, value in enumerate(reading.tops):
            if value.readers or value.maker != reading.index:
                continue
            where = field_place(reading.definition, context.net, "top", position=position)
            if reading.type == "Input":
                yield Finding("NET007", f'no layer reads the input "{value.blob}"', where)
            elif reading.type in _SELDOM_LAST and outputs and not (reading.type == "Pooling" and position):
                yield Finding(
                    "NET008", f'no layer reads its top "{value.blob}", which so is an output of the net', where
                )


def same_names(context: Context) -> Iterator[Finding]:
    """NET009."""
    first: dict[str, Reading] = {}
    for reading in context.readings:
        before = first.setdefault(reading.name, reading)
        if before is not reading and reading.name:
            line = before.definition.where().line
            what = f"it is called like the {before.type} of line {line}; weights of that name go to the first"
            yield Finding("NET009", what, field_place(reading.definition, context.net, "name"))


def crops_of_two_meanings(context: Context) -> Iterator[Finding]:
    """CROP001."""
    for layer, finding in of_two_meanings(context.net.layers):
        yield replace(finding, where=layer_place(layer, context.net))


CHECKS = (
    found_while_reading, clashes, cannot_work_in_place, overwrites_the_input, unread, same_names, crops_of_two_meanings,
)  # fmt: skip


def _in_place(reading: Reading) -> str | None:
    """The blob that a layer works on in place; Caffe compares bottoms and tops by position."""
    for bottom, top in zip(reading.bottoms, reading.tops, strict=False):
        if bottom.blob == top.blob:
            return top.blob
    return None


def _type(context: Context, index: int | None) -> str:
    return context.readings[index].type if index is not None else ""
