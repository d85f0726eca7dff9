"""The library's front door: :func:`convert` and :func:`shapes`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

# First and from here: its modules import each other deeply. From yet deeper they would cross the end of CPython's first
# 16 KiB of stack, where 3.11 and later map and unmap memory at every call: 1,700 times, which takes 15 ms.
import numpy  # noqa: F401, ICN001

from caffe_bn_convert.arguments import allowed, input_shapes, names, weight_files
from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.opening import kept_open
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.collector import collector_off
from caffe_bn_convert.conversion import Conversion
from caffe_bn_convert.export.opsets import DEFAULT_OPSET, check_opset
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.net.build import build
from caffe_bn_convert.net.cut import cut_at_raw as cut
from caffe_bn_convert.net.cut import end_behind
from caffe_bn_convert.net.judge import judge, require_weights
from caffe_bn_convert.net.losses import Note, leave_out_losses, name_losses
from caffe_bn_convert.net.outputs import expose_blobs
from caffe_bn_convert.net.passes import PASSES, fold_batchnorm
from caffe_bn_convert.net.sources import unknown_sources_as_inputs
from caffe_bn_convert.net.weights import Located, locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caffe_bn_convert.arguments import PathLike
    from caffe_bn_convert.caffe.definition import NetDefinition
    from caffe_bn_convert.layers.base import Layer
    from caffe_bn_convert.net.build import InputShapes
    from caffe_bn_convert.net.ir import Graph
    from caffe_bn_convert.preprocessing import Preprocessing
    from caffe_bn_convert.verify.oracle.layer import Rule


@collector_off()
@kept_open()
def convert(
    prototxt: PathLike,
    weights: PathLike | Sequence[PathLike] | None = None,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    opset: int = DEFAULT_OPSET,
    allow: str | Iterable[str] = (),
    keep_losses: bool = False,
    as_deploy: bool = False,
    batch: int | str | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    until: str | Sequence[str] = (),
    expose: str | Sequence[str] = (),
    fold: bool = True,
    fold_conv: bool = False,
    preprocessing: Preprocessing | None = None,
    precision: str = "float32",
    simplify: bool = False,
    layers: Mapping[str, type[Layer]] = LAYERS,
    oracle: Mapping[str, Rule] | None = None,
    custom_domain: str | None = None,
    cut_at_raw: bool = False,
    dialects: Mapping[str, str] | None = None,
) -> Conversion:
    """Convert a Caffe net.

    Args:
        prototxt: the deploy prototxt (a training one will do, if its shapes can be told).
        weights: the caffemodel (or ``.caffemodel.h5``); several are loaded one after the other, as Caffe does with
            ``a.caffemodel,b.caffemodel``; None for a net without parameters.
        phase: "TEST" or "TRAIN"; default is the prototxt's state, else "TEST".
        level, stages: the rest of the state that ``include`` and ``exclude`` rules look at.
        opset: version of the ONNX operators.
        allow: codes or names of rules that need not stop the conversion, or "all".
        keep_losses: compute losses and Accuracy instead of leaving them out.
        as_deploy: convert what ``deploy`` makes of a training prototxt.
        batch: first dimension of every input: a number, or "dynamic".
        shapes: input shapes by blob name; a string is the name of a dynamic axis.
        until: blobs at which the net ends; they are the outputs.
        expose: blobs inside the net that become outputs too.
        fold: False keeps BatchNorm and Scale apart.
        fold_conv: put BatchNorm, Scale and Bias into the weights of the layer before them.
        preprocessing: what to do to pictures in front of the net.
        precision: "float32"; "float16-weights" stores the weights so; "float16" computes in it, too.
        simplify: let onnxslim simplify the model, if it is installed.
        layers: the layer types; add your own with ``LAYERS | {...}``.
        oracle: NumPy rules for types of your own, by which they are verified.
        custom_domain: write layers of unknown types as nodes of this domain; ``shapes`` tells what their tops are.
        cut_at_raw: end detectors in front of the suppression of boxes: locations, confidences and priors are outputs.
        dialects: by layer or type, whose of several layers of one name is meant (:data:`~.net.dialects.DIALECTS`).

    Raises:
        UnreadableError: a file cannot be read for what it should be.
        UnsupportedError: layers or parameters without a rendering in ONNX; all of them.
        InvalidNetError: Caffe would refuse the net or its weights.
        RefusedError: suspicious findings that ``allow`` does not name.
        UsageError: options that make no sense together.
    """
    check_opset(opset)
    sources = tuple(caffemodel.read(path) for path in weight_files(weights))
    until, expose, inputs = names(until, "until"), names(expose, "expose"), input_shapes(batch, shapes)
    net, changes = deployed(prototxt, phase, level, stages, batch, shapes) if as_deploy else (read_net(prototxt), [])
    net, phase = in_state(net, "TEST" if as_deploy else phase, level, stages)
    net, left_out = (name_losses(net), []) if keep_losses else leave_out_losses(net)
    net = spoken(end_behind(net, until), dialects or {})
    net, cut_off = cut(net) if cut_at_raw else (net, [])
    located = locate(net, sources)
    layers, inputs, custom = known(custom_domain, net, layers, inputs)
    net = unknown_sources_as_inputs(net, layers, inputs.given)
    graph, findings = build(net, located, layers, phase=phase, inputs=inputs)
    require_weights(net, located, findings, allowed(allow))
    findings = judge(findings, allowed(allow))
    graph = rewritten(expose_blobs(graph, until, expose), fold=fold, fold_conv=fold_conv)
    graph, preprocessing = (graph, None) if preprocessing is None else preprocessed(graph, preprocessing)
    notes = (*changes, *left_out, *cut_off, *custom, *remarks(graph))
    return Conversion(
        net,
        sources,
        located,
        phase,
        graph,
        opset,
        tuple(findings),
        notes,
        preprocessing,
        oracle or {},
        precision,
        simplify,
    )


def in_state(
    net: NetDefinition, phase: str | None, level: int, stages: str | Sequence[str]
) -> tuple[NetDefinition, str]:
    """The net in today's form with the layers of a state, and the phase of it."""
    net = upgrade(net)
    phase = phase_of(net, phase)
    return filter_state(net, phase, level, names(stages, "stages")), phase


def deployed(
    prototxt: PathLike,
    phase: str | None,
    level: int,
    stages: str | Sequence[str],
    batch: int | str | None,
    shapes: Mapping[str, Sequence[int | str]] | None,
) -> tuple[NetDefinition, Sequence[Note]]:
    """What ``deploy`` makes of the prototxt, and what it changed."""
    from caffe_bn_convert.deploy import as_deployed

    return as_deployed(read_net(prototxt), phase, level, names(stages, "stages"), batch, shapes)


def spoken(net: NetDefinition, dialects: Mapping[str, str]) -> NetDefinition:
    """The net in which the chosen layers say whose they are."""
    if not dialects:
        return net
    from caffe_bn_convert.net.dialects import take_dialects

    return take_dialects(net, dialects)


def known(
    domain: str | None, net: NetDefinition, layers: Mapping[str, type[Layer]], inputs: InputShapes
) -> tuple[Mapping[str, type[Layer]], InputShapes, list[Note]]:
    """The layer types, with those of the net that nobody knows as nodes of ``domain``, if there is one."""
    if domain is None:
        return layers, inputs, []
    from caffe_bn_convert.net.custom import known_by

    return known_by(domain, net, layers, inputs)


def rewritten(graph: Graph, *, fold: bool, fold_conv: bool) -> Graph:
    """The graph after the passes."""
    for run in PASSES:
        graph = run(graph) if fold or run is not fold_batchnorm else graph
    if not fold_conv:
        return graph
    from caffe_bn_convert.net.passes.fold_into_conv import fold_into_conv

    return fold_into_conv(graph)


def preprocessed(graph: Graph, wanted: Preprocessing) -> tuple[Graph, Preprocessing]:
    """The graph with ``wanted`` in front, and ``wanted`` with its input named."""
    from caffe_bn_convert.net.passes.preprocess import input_of, preprocess

    wanted = replace(wanted, input=input_of(graph, wanted.input))
    return preprocess(graph, wanted), wanted


def remarks(graph: Graph) -> list[Note]:
    """What layers say about themselves in ONNX."""
    said = ((node.name, node.layer.remark()) for node in graph.nodes)
    return [Note(name, text) for name, text in said if text is not None]


def shapes(
    prototxt: PathLike,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    keep_losses: bool = True,
    batch: int | str | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    layers: Mapping[str, type[Layer]] = LAYERS,
) -> Graph:
    """The typed graph of a prototxt with the shape of every value, without weights. Arguments as for :func:`convert`."""
    net, phase = in_state(read_net(prototxt), phase, level, stages)
    net = name_losses(net) if keep_losses else leave_out_losses(net)[0]
    located = Located(((),) * len(net.layers))
    inputs = input_shapes(batch, shapes)
    net = unknown_sources_as_inputs(net, layers, inputs.given)
    graph, _ = build(net, located, layers, phase=phase, inputs=inputs, weights_needed=False)
    return graph


__all__ = ["convert", "shapes"]
