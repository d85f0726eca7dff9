"""How BatchNorm and Scale are written: BN003 to BN008, BN010, BN013, BN016."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.caffe.prototxt import Block, Scalar
from caffe_bn_convert.layers.dialect import FIRST_FORK_FIELD
from caffe_bn_convert.lint.finding import Edit, Finding
from caffe_bn_convert.lint.place import field_place, layer_place, scalar
from caffe_bn_convert.lint.purpose import is_for_training

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.definition import LayerDefinition
    from caffe_bn_convert.lint.context import Context, Reading

_PARAM = "batch_norm_param"
_TRAIN = 0
_SMALLEST_EPS = np.float32(1e-5)
_BLOBS = 3
_OPENING = re.compile(r"\w+\s*(?:\#[^\n]*\s*)*:?\s*(?:\#[^\n]*\s*)*[{<]")


def without_scale(context: Context) -> Iterator[Finding]:
    """BN003."""
    for reading in _batch_norms(context):
        if reading.tops and not _of_a_fork(reading) and not any(_scales(context, reading)):
            yield Finding("BN003", "no Scale or Bias reads what it makes", layer_place(reading.definition, context.net))


def batch_statistics(context: Context) -> Iterator[Finding]:
    """BN004. Not in phase TRAIN, where it is right."""
    if context.phase == "TRAIN":
        return
    mend = not is_for_training(context)
    for reading in _batch_norms(context):
        layer = reading.definition
        parameter = layer.parameter
        p = parameter.batch_norm_param
        where = field_place(layer, context.net, _PARAM, "use_global_stats")
        if p.HasField("use_global_stats") and not p.use_global_stats:
            what = "it normalises by the statistics of the batch (use_global_stats: false), which is for training"
            yield Finding("BN004", what, where, _set(layer, "true", _PARAM, "use_global_stats") if mend else ())
        elif not p.HasField("use_global_stats") and parameter.HasField("phase") and parameter.phase == _TRAIN:
            what = "it normalises by the statistics of the batch, because its own phase is TRAIN"
            yield Finding("BN004", what, field_place(layer, context.net, "phase"))


def learned_statistics(context: Context) -> Iterator[Finding]:
    """BN005. Looks at the text, since upgrading sets three rates to 0. NVIDIA's BatchNorm does learn: its scale."""
    for layer in context.written.layers:
        if layer.type != "BatchNorm" or layer.text is None or _fork_fields(layer.parameter.batch_norm_param):
            continue
        specs = [field for field in layer.text.all("param") if isinstance(field.value, Block)]
        rates = [_rate(field.value) for field in specs if isinstance(field.value, Block)]
        if not any(rates) or len(rates) > _BLOBS:
            continue
        edits = tuple(
            _freeze(field.value)
            for field, rate in zip(specs, rates, strict=True)
            if rate and isinstance(field.value, Block)
        )
        first = next(i for i, rate in enumerate(rates) if rate)
        shown = ", ".join(f"{rate:g}" for rate in rates)
        effect = "Caffe takes 0" if len(rates) == _BLOBS else "Caffe refuses that"
        what = f"its statistics are no parameters to learn, but have lr_mult {shown}; {effect}"
        yield Finding("BN005", what, field_place(layer, context.written, "param", position=first), edits)


def scale_axis(context: Context) -> Iterator[Finding]:
    """BN006."""
    for reading in _batch_norms(context):
        for scale in _scales(context, reading):
            p = getattr(scale.definition.parameter, "scale_param" if scale.type == "Scale" else "bias_param")
            if len(scale.bottoms) == 1 and (p.axis != 1 or p.num_axes != 1):
                what = f'it follows BatchNorm "{reading.name}", but has axis {p.axis} and num_axes {p.num_axes}, not 1 and 1'
                yield Finding("BN006", what, field_place(scale.definition, context.net, "scale_param", "axis"))


def scale_without_bias(context: Context) -> Iterator[Finding]:
    """BN007."""
    for reading in _batch_norms(context):
        for scale in _scales(context, reading):
            shifted = any(after.type == "Bias" for top in scale.tops for after in context.readers(top))
            if scale.type == "Scale" and not scale.definition.parameter.scale_param.bias_term and not shifted:
                what = f'it follows BatchNorm "{reading.name}", but has no bias (bias_term is false)'
                yield Finding("BN007", what, field_place(scale.definition, context.net, "scale_param", "bias_term"))


def small_eps(context: Context) -> Iterator[Finding]:
    """BN008."""
    for reading in _batch_norms(context):
        eps = np.float32(reading.definition.parameter.batch_norm_param.eps)
        if eps < _SMALLEST_EPS:
            where = field_place(reading.definition, context.net, _PARAM, "eps")
            yield Finding("BN008", f"eps is {eps:g}, below 1e-05", where)


def of_a_fork(context: Context) -> Iterator[Finding]:
    """BN010."""
    for reading in _batch_norms(context):
        names = _fork_fields(reading.definition.parameter.batch_norm_param)
        if names:
            what = f"only the BatchNorm of a fork knows {', '.join(names)}"
            yield Finding("BN010", what, field_place(reading.definition, context.net, _PARAM, names[0]))
        elif len(reading.found) not in (0, _BLOBS):
            what = f"the weights have {len(reading.found)} blobs for it; BVLC Caffe's BatchNorm has {_BLOBS}"
            yield Finding("BN010", what, layer_place(reading.definition, context.net))


def read_twice(context: Context) -> Iterator[Finding]:
    """BN013."""
    for reading in _batch_norms(context):
        scales = {scale.index for scale in _scales(context, reading)}
        others = [r for top in reading.tops for r in context.readers(top) if r.index not in scales]
        if scales and others:
            name, kind = others[0].name, others[0].type
            what = f'besides its Scale, layer "{name}" ({kind}) reads what it makes, before the Scale'
            yield Finding("BN013", what, layer_place(reading.definition, context.net))


def stored_in_training(context: Context) -> Iterator[Finding]:
    """BN016. Looks at the layers of all states."""
    for layer in context.written.layers:
        parameter = layer.parameter
        only_trains = (parameter.include and all(_is_train(rule) for rule in parameter.include)) or _is_train(parameter)
        if layer.type == "BatchNorm" and only_trains and parameter.batch_norm_param.use_global_stats:
            what = "it exists in training only, and yet uses the stored statistics (use_global_stats: true)"
            yield Finding("BN016", what, field_place(layer, context.written, _PARAM, "use_global_stats"))


CHECKS = (
    without_scale,
    batch_statistics,
    learned_statistics,
    scale_axis,
    scale_without_bias,
    small_eps,
    of_a_fork,
    read_twice,
    stored_in_training,
)


def _batch_norms(context: Context) -> list[Reading]:
    return [reading for reading in context.readings if reading.type == "BatchNorm"]


def _scales(context: Context, reading: Reading) -> Iterator[Reading]:
    """The Scale and Bias layers whose first bottom is what a BatchNorm makes."""
    for top in reading.tops[:1]:
        for reader in context.readers(top):
            if reader.type in ("Scale", "Bias") and reader.bottoms[0] is top:
                yield reader


def _of_a_fork(reading: Reading) -> bool:
    named = _fork_fields(reading.definition.parameter.batch_norm_param)
    return bool(named) or len(reading.found) not in (0, _BLOBS)


def _fork_fields(parameter: Any) -> list[str]:
    return [
        field.name for field, _ in parameter.ListFields() if field.number >= FIRST_FORK_FIELD and field.name != "engine"
    ]


def _is_train(message: Any) -> bool:
    return bool(message.HasField("phase") and message.phase == _TRAIN)


def _set(layer: LayerDefinition, word: str, *path: str) -> tuple[Edit, ...]:
    old = scalar(layer, *path)
    return (Edit(old.offset, old.offset + len(old.text), word),) if old is not None else ()


def _rate(param: Block) -> float:
    value = param.get("lr_mult", 1.0)
    return float(value) if isinstance(value, (int, float)) else 1.0


def _freeze(param: Block) -> Edit:
    """Set the rate to 0 where it stands, or behind the opening brace."""
    for field in param.all("lr_mult"):
        if isinstance(field.value, Scalar):
            return Edit(field.value.offset, field.value.offset + len(field.value.text), "0")
    opening = _OPENING.match(param.source.text, param.offset)
    at = opening.end() if opening is not None else param.offset
    return Edit(at, at, " lr_mult: 0")
