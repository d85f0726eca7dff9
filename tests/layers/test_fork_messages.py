"""Fields of the messages that only forks have: read by one of our examples of the layer, or refused, never passed over."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Source
from caffe_bn_convert.layers.dialect import FIRST_FORK_FIELD
from tests.caffe.schemas import label
from tests.layers.test_fork_fields import SAMPLES, others
from tests.paths import FIXTURES

DATA = {"AnnotatedData", "Data", "HDF5Data", "ImageData", "VideoData", "WindowData"}
"""What they make is an input; how they make it does not matter."""

PASSED_OVER = {
    "engine": "how it is computed",
    **dict.fromkeys(("momentum", "frozen", "icnet", "dummy_backward", "fix_scale", "fix_gradient", "bp_norm", "to_compute_dU",
                     "clipping_threshold", "do_backward_feature", "do_backward_scale", "init_global_scale", "sqrt_scale",
                     "random_seed", "gaussian_std", "uniform_range", "Noise.bias"), "only in training"),
    **dict.fromkeys((f"LabelSpecificAdd.{name}" for name in (
        "bias", "transform_test", "bias_base", "bias_gamma", "bias_power", "bias_min", "bias_max", "iteration",
    )), "the labels add nothing at test time"),
    **dict.fromkeys(("visualize", "visualize_threshold", "save_file", "label_map_file"), "what is done with the result"),
    "target_spatial_width": "needs the height beside it",
    "target_spatial_height": "needs the width beside it",
    "PriorBoxClustered.flip": "its boxes have their own widths and heights",
    "BoxOutput.cls_aware": "the fork does not look at it",
    "BoxGroupOutput.cls_aware": "the fork does not look at it",
    "DecodeBBox.cls_aware": "the fork does not look at it",
    "YoloDetectionOutput.side": "the map has a size of its own",
    "antialias": "as the sizes are, which come later",
    "Padding.pad_method": "it has a single value",
    "DetectionOutputExtended.background_label_id": "the fork does not look at it",
    "RegionYolo.anchors": "for who draws the boxes",
    "RegionYolo.mask": "for who draws the boxes",
    "Yolov3DetectionOutput.anchors_scale": "more numbers than bottoms count for nothing",
    "Yolov3DetectionOutput.biases": "more numbers than mask names count for nothing",
    "YoloDetectionOutput.biases": "more numbers than boxes count for nothing",
    **dict.fromkeys(("Division.xcoord", "Division.ycoord"), "more numbers than tops count for nothing"),
    **dict.fromkeys(("Combination.xcoord", "Combination.ycoord"), "more numbers than bottoms count for nothing"),
}  # fmt: skip
"""Field, or type and field → why another value changes nothing."""


def examples():
    """Every example of a type whose message is not BVLC's, with the name of its message."""
    found = defaultdict(list)
    for path in [*sorted(FIXTURES.glob("layers/*.prototxt")), *sorted(FIXTURES.glob("golden/*/*/model.prototxt"))]:
        try:
            layers = upgrade(read_net(path)).layers
        except ConversionError:  # some are there because Caffe refuses them
            continue
        for layer in layers:
            if layer.type in LAYERS and layer.type not in SAMPLES and readable(layer):
                found[layer.type].append(layer)
    return found


def readable(layer):
    try:
        LAYERS[layer.type].read(Source(layer))
    except ConversionError:
        return False
    return True


EXAMPLES = examples()


def blocks(layer):
    for field, message in layer.parameter.ListFields():
        if field.name.endswith("_param") and field.type == field.TYPE_MESSAGE and label(field) != "repeated":
            yield field.name, message.DESCRIPTOR


def fields():
    known = {(kind, name, d) for kind, layers in EXAMPLES.items() for layer in layers for name, d in blocks(layer)}
    for kind, name, descriptor in sorted(known, key=lambda row: row[:2]):
        for field in descriptor.fields:
            excused = field.name in PASSED_OVER or f"{kind}.{field.name}" in PASSED_OVER
            if field.number >= FIRST_FORK_FIELD and field.type != field.TYPE_MESSAGE and not excused:
                yield pytest.param(kind, name, field, id=f"{kind}-{field.name}")


def reacts(layer, block, field, value):
    """Whether the layer is read as another one with this value, or refused."""
    parameter = type(layer.parameter)()
    parameter.CopyFrom(layer.parameter)
    message = getattr(parameter, block)
    if label(field) == "repeated":
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)
    try:
        return LAYERS[layer.type].read(Source(replace(layer, parameter=parameter))) != LAYERS[layer.type].read(
            Source(layer)
        )
    except ConversionError:
        return True


@pytest.mark.parametrize(("kind", "block", "field"), list(fields()))
def test_no_field_is_passed_over(kind, block, field):
    values = [*others(field), field.default_value] if label(field) != "repeated" else others(field)
    assert any(reacts(layer, block, field, value) for layer in EXAMPLES[kind] for value in values)


def test_every_type_has_an_example():
    assert set(LAYERS) == set(SAMPLES) | set(EXAMPLES) | DATA
