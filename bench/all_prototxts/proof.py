"""Converting and proving one net, with weights made on the spot."""

from __future__ import annotations

import contextlib
import tempfile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import caffe_bn_convert as cbc
from bench.all_prototxts.rule import deployed, first_line, in_test, is_whole
from bench.all_prototxts.shapes import numbers, shaped
from bench.fitted import fit
from bench.weights import layers, write_weights
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify.report.text import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.all_prototxts.shapes import Shape
    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.verify import Report

MOST_BYTES = 4 << 30
"""Nets with more weights are skipped."""
BATCHES = (1, 2)
"""The second where the first makes a constant: the variance over a batch of one number is 0."""


def prove(path: Path, *, runs_only: bool = False) -> tuple[str, str]:
    """Verdict and reason of one net: see :class:`bench.all_prototxts.jobs.Result`."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            if not is_whole(in_test(path)):
                path = deployed(path, Path(folder))
            return _proven(path, Path(folder), runs_only=runs_only)
    except ConversionError as error:
        return "refused", first_line(error)


def _proven(path: Path, folder: Path, *, runs_only: bool) -> tuple[str, str]:
    shapes = shaped(path)
    weights, target = folder / "w.caffemodel", folder / "net.onnx"
    if 4 * number_of_weights(path, shapes) > MOST_BYTES:
        return "skipped", f"more than {MOST_BYTES >> 20} MiB of weights"
    for batch in BATCHES:
        conversion = fitted(path, weights, shapes, batch)
        conversion.save(target, verify=False)
        why = useless(target, conversion)
        if not why:
            break
    if runs_only or why:
        return ("converted", why) if why else ("runs", f"{len(conversion.net.layers)} layers")
    report = conversion.verify(target)
    return (
        ("proven", f"{len(conversion.net.layers)} layers")
        if report.verdict == "proven"
        else ("converted", fault(report))
    )


def fault(report: Report) -> str:
    """Where a proof fails, without the file's name."""
    if report.verdict == "unproven":
        return "the outputs prove nothing"
    found = report.divergence
    if found is None:
        return f"the proof failed: {summary(report)}"
    return f'the proof failed at blob "{found.blob}" of layer "{found.where.layer}" ({found.where.type})'


def number_of_weights(path: Path, shapes: Mapping[str, Shape]) -> int:
    """How many numbers its blobs hold."""
    graph = cbc.shapes(path, shapes=shapes, keep_losses=False)
    return sum(prod(int(dim) for dim in p.shape) for _, _, parameters in layers(graph) for p in parameters)


def fitted(path: Path, weights: Path, shapes: Mapping[str, Shape], batch: int) -> Conversion:
    """The net with weights that fit what arrives at each layer."""
    write_weights(path, weights, shapes)
    conversion = converted(path, weights, shapes, batch)
    graph = conversion.graph
    inputs = {name: numbers(conversion, name, tuple(map(int, graph.shapes[name]))) for name in graph.inputs}
    fit(conversion, path, shapes, inputs)
    return converted(path, weights, shapes, batch)


def converted(path: Path, weights: Path, shapes: Mapping[str, Shape], batch: int) -> Conversion:
    """With that batch where the net allows it."""
    with contextlib.suppress(ConversionError):
        return cbc.convert(path, weights, allow="all", shapes=shapes, batch=batch)
    return cbc.convert(path, weights, allow="all", shapes=shapes)


def useless(target: Path, conversion: Conversion) -> str:
    """What is wrong with the outputs for the input that the weights were made for: not finite, or constant.

    A constant that a layer without bottoms writes is no output to speak of.
    """
    import onnxruntime as ort

    session = ort.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    feed = {i.name: numbers(conversion, i.name, tuple(i.shape)) for i in session.get_inputs()}
    written = {top for layer in conversion.net.layers if not layer.parameter.bottom for top in layer.parameter.top}
    names = [output.name for output in session.get_outputs() if output.name not in written]
    for name, value in zip(names, session.run(names, feed), strict=True):
        if not np.isfinite(value).all():
            return f"{name} is not finite"
        if value.size > 1 and value.min() == value.max():
            return f"{name} is {value.min():g} everywhere"
    return ""
