"""The numbers of BatchNorm layers, read once more and by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.verify.oracle.values import plan
from caffe_bn_convert.verify.report.model import Statistics

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.values import Step
    from caffe_bn_convert.verify.tolerance import Array
    from caffe_bn_convert.verify.walk import Caffe


def statistics(caffe: Caffe) -> tuple[Statistics, ...]:
    """For every BatchNorm with stored statistics what it does to a channel, with the Scale and Bias behind it."""
    steps = plan(caffe.net).steps
    found = []
    for step in steps:
        layer, blobs = caffe.net.layers[step.index], caffe.blobs[step.index]
        if layer.type == "BatchNorm" and len(blobs) == 3 and None not in blobs:
            found.append(_of(caffe, step, steps))
    return tuple(found)


def _of(caffe: Caffe, step: Step, steps: tuple[Step, ...]) -> Statistics:
    layer, blobs = caffe.net.layers[step.index], caffe.blobs[step.index]
    mean, variance, factor = (blob.read64() for blob in blobs if blob is not None)
    times = 0.0 if factor[0] == 0 else 1 / float(factor[0])  # batch_norm_layer.cpp: a factor of 0 makes everything 0
    mean, variance = mean * times, variance * times
    eps = float(layer.parameter.batch_norm_param.eps)
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(variance + eps)
        scale, shift = _behind(caffe, step.tops[0], steps, scale, -mean * scale)
    return Statistics(layer.name, _floats(mean), _floats(variance), _floats(scale), _floats(shift), eps)


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _behind(caffe: Caffe, value: str, steps: tuple[Step, ...], scale: Array, shift: Array) -> tuple[Array, Array]:
    """Follow the Scale and Bias layers that alone read ``value``."""
    readers = [step for step in steps if value in [read.key for read in step.bottoms]]
    if len(readers) != 1 or len(readers[0].bottoms) != 1:
        return scale, shift
    step = readers[0]
    layer, blobs = caffe.net.layers[step.index], [b.read64() for b in caffe.blobs[step.index] if b is not None]
    if not blobs or layer.type not in ("Scale", "Bias") or blobs[0].size != scale.size:
        return scale, shift
    if layer.type == "Scale":
        scale, shift = scale * blobs[0], shift * blobs[0]
        blobs = blobs[1:]
    shift = shift + blobs[0] if blobs else shift
    return _behind(caffe, step.tops[0], steps, scale, shift)
