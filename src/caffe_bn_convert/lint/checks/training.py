"""Training and deployment: TRAIN001, and what differs between the two nets: NET017, BN015."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.lint.place import field_place, layer_place
from caffe_bn_convert.lint.purpose import judges, reads_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.lint.context import Context

# Fields that only matter while a net is trained.
_TRAINING_ONLY = frozenset(
    {"engine", "weight_filler", "bias_filler", "filler", "moving_average_fraction", "use_global_stats"}
)
_OTHERWISE = frozenset({"BatchNorm", "DummyData", "Input", "Sigmoid", "Softmax"})
"""Types that a deploy net has of its own, or that another rule is about."""
_NO_MEANING = frozenset({"transform_param", "loss_param", "dropout_param", "input_param"})


def for_training(context: Context) -> Iterator[Finding]:
    """TRAIN001, once for a net."""
    if context.phase == "TRAIN":
        return
    fed = any(reading.tops and not reading.bottoms for reading in context.readings)
    layers = context.net.layers if fed else context.written.layers  # data layers may exist in TRAIN only
    signs = {
        "data layer": [layer for layer in layers if reads_data(layer)],
        "loss or accuracy": [layer for layer in layers if judges(layer)],
        "BatchNorm by the statistics of the batch": [layer for layer in layers if _of_the_batch(layer)],
    }
    shown = [f"{len(found)} x {what}" for what, found in signs.items() if found]
    if shown:
        first = min((layer for found in signs.values() for layer in found), key=layers.index)
        yield Finding(
            "TRAIN001", f"this net is for training: it has {' and '.join(shown)}", layer_place(first, context.net)
        )


def differs(context: Context) -> Iterator[Finding]:
    """NET017."""
    trained = _by_name(context.train)
    for layer in context.net.layers if trained else ():
        if reads_data(layer) or judges(layer) or layer.type in _OTHERWISE:
            continue
        twin = _closest(layer, trained[layer.name])
        if twin is None:
            if layer.parameter.param or _learns(context, layer):
                yield Finding("NET017", "the training net has no layer of this name", layer_place(layer, context.net))
        elif twin.type != layer.type:
            what = f"it is a {layer.type}, but a {twin.type} in the training net"
            yield Finding("NET017", what, field_place(layer, context.net, "type"))
        else:
            for path, here, there in _differences(layer.parameter, twin.parameter):
                what = f"{'.'.join(path)} is {here}, but {there} in the training net"
                yield Finding("NET017", what, field_place(layer, context.net, *path))


def batch_norm_differs(context: Context) -> Iterator[Finding]:
    """BN015."""
    trained = _by_name(context.train)
    for reading in context.readings:
        twin = _closest(reading.definition, trained[reading.name])
        if reading.type != "BatchNorm" or twin is None or twin.type != "BatchNorm" or context.train is None:
            continue
        here, there = reading.definition.parameter.batch_norm_param.eps, twin.parameter.batch_norm_param.eps
        if here != there:
            where = field_place(reading.definition, context.net, "batch_norm_param", "eps")
            yield Finding("BN015", f"eps is {here:.6g}, but {there:.6g} in the training net", where)
        scaled = any(r.type in ("Scale", "Bias") for top in reading.tops for r in context.readers(top))
        if scaled != _scaled(context.train, twin):
            told = "a Scale reads it here, but not" if scaled else "no Scale reads it here, but one does"
            yield Finding("BN015", f"{told} in the training net", layer_place(reading.definition, context.net))


CHECKS = (for_training, differs, batch_norm_differs)


def _of_the_batch(layer: LayerDefinition) -> bool:
    p = layer.parameter.batch_norm_param
    return layer.type == "BatchNorm" and bool(p.HasField("use_global_stats") and not p.use_global_stats)


def _by_name(net: NetDefinition | None) -> defaultdict[str, list[LayerDefinition]]:
    found: defaultdict[str, list[LayerDefinition]] = defaultdict(list)
    for layer in net.layers if net is not None else ():
        found[layer.name].append(layer)
    return found


def _closest(layer: LayerDefinition, twins: list[LayerDefinition]) -> LayerDefinition | None:
    """Of layers with one name, as there may be for several states, the one that differs least."""

    def distance(twin: LayerDefinition) -> tuple[bool, int]:
        return twin.type != layer.type, len(list(_differences(layer.parameter, twin.parameter)))

    return min(twins, key=distance, default=None)


def _learns(context: Context, layer: LayerDefinition) -> bool:
    return any(reading.found for reading in context.readings if reading.definition is layer)


def _scaled(net: NetDefinition, norm: LayerDefinition) -> bool:
    """Whether a Scale or Bias below ``norm`` reads its top before another layer works in place on it."""
    below = net.layers[net.layers.index(norm) + 1 :]
    blob = norm.parameter.top[0] if norm.parameter.top else ""
    for layer in below:
        if blob in layer.parameter.bottom and layer.type in ("Scale", "Bias"):
            return True
        if blob in layer.parameter.top:
            return False
    return False


def _differences(here: Any, there: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Fields of the layers' own parameters that say something else, defaults included."""
    for field in here.DESCRIPTOR.fields:
        single = field.message_type is not None and field.has_presence
        if not single or not field.name.endswith("_param") or field.name in _NO_MEANING:
            continue
        if here.HasField(field.name) or there.HasField(field.name):
            a, b = getattr(here, field.name), getattr(there, field.name)
            for inner in a.DESCRIPTOR.fields:
                if inner.name in _TRAINING_ONLY:
                    continue
                x, y = _shown(getattr(a, inner.name)), _shown(getattr(b, inner.name))
                if x != y:
                    yield (field.name, inner.name), x, y


def _shown(value: Any) -> str:
    if isinstance(value, Message):
        return " ".join(str(value).split()) or "{}"
    if isinstance(value, (bool, int, float, str)):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return "[" + ", ".join(_shown(item) for item in value) + "]"
