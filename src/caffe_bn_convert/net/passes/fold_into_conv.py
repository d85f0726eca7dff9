"""Fold per-channel arithmetic (BatchNormalization, Scale, Bias) into the weights of the layer that it follows.

Runs behind `fold_batchnorm`. A node is folded along its edge, wherever it stands in the file, when
    - its bottom is the top of a Convolution, Deconvolution or InnerProduct (groups, depthwise and dilation are all the same
      to it: every output channel has weights of its own),
    - that value has no other reader and is no output,
    - it acts on the channel axis, or is a single number, and
    - its factors are finite.

Cases that stay apart:
    - a layer with several bottoms: its weights serve other values, too;
    - convolutions over another axis than 1, InnerProduct that leaves other axes than the batch;
    - statistics of the batch; Scale with two bottoms;
    - a BatchNormalization *before* a convolution: padding makes that inexact.

With ``y = a * x + c`` behind ``x = W * z + b`` the fold is ``W' = a * W``, ``b' = a * b + c``: in float64, rounded to
float32 once, so that the result is exact but for that rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.layers.conv import Convolution, Deconvolution
from caffe_bn_convert.layers.dense import InnerProduct
from caffe_bn_convert.layers.norm import BatchNorm, BatchNormalization, Bias, Scale

if TYPE_CHECKING:
    from typing import Any

    from caffe_bn_convert.net.dim import Shape
    from caffe_bn_convert.net.ir import Graph, Node

    Float64: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

Carrier: TypeAlias = Convolution | InnerProduct


def fold_into_conv(graph: Graph) -> Graph:
    """The graph whose convolutions and inner products do the arithmetic behind them by their weights."""
    readers, outputs = graph.readers(), set(graph.outputs)
    chains: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if not _carries(node, graph.shapes):
            continue
        chain = [node]
        while True:
            value = chain[-1].tops[0]
            follower = readers[value][0] if len(readers[value]) == 1 and value not in outputs else None
            if follower is None or affine(follower, graph.shapes[value]) is None:
                break
            chain.append(follower)
        if len(chain) > 1:
            chains[node.tops[0]] = chain
    gone = {member.tops[0] for chain in chains.values() for member in chain[1:]}
    inner = {member.tops[0] for chain in chains.values() for member in chain[:-1]}
    nodes = tuple(
        folded(chains[node.tops[0]], graph.shapes) if node.tops and node.tops[0] in chains else node
        for node in graph.nodes
        if not gone.intersection(node.tops)
    )
    return replace(
        graph, nodes=nodes, shapes={name: shape for name, shape in graph.shapes.items() if name not in inner}
    )


def _carries(node: Node, shapes: Any) -> bool:
    layer, top = node.layer, shapes[node.tops[0]] if node.tops else ()
    if len(node.bottoms) != 1 or not node.blobs or len(top) < 2:
        return False
    if isinstance(layer, Convolution):
        return layer.axis % len(top) == 1
    return isinstance(layer, InnerProduct) and len(top) == 2


def affine(node: Node, shape: Shape) -> tuple[Float64, Float64] | None:
    """Factor and summand for each channel, if that is all the node does; both are one number or one for each."""
    layer = node.layer
    values = [blob.read64() for blob in node.blobs]
    if isinstance(layer, BatchNormalization):
        scale, bias, mean, variance = values
        return _normalised(scale, bias, mean, variance, layer.eps)
    if isinstance(layer, BatchNorm) and not layer.batch_statistics:
        mean, variance, eps = layer.normal(node.blobs)
        return _normalised(np.ones_like(mean), np.zeros_like(mean), mean, variance, eps)
    if not isinstance(layer, (Scale, Bias)) or len(node.bottoms) != 1:
        return None
    axis, count = layer.span((shape,))
    if (axis, count) != (1, 1) and count != 0:
        return None
    if isinstance(layer, Bias):
        return _finite(np.ones_like(values[0]), values[0])
    return _finite(values[0], values[1] if layer.bias else np.zeros_like(values[0]))


def _normalised(
    scale: Float64, bias: Float64, mean: Float64, variance: Float64, eps: float
) -> tuple[Float64, Float64] | None:
    with np.errstate(all="ignore"):
        factor: Float64 = scale / np.sqrt(variance + eps)
        return _finite(factor, bias - mean * factor)


def _finite(factor: Float64, summand: Float64) -> tuple[Float64, Float64] | None:
    return (factor, summand) if np.isfinite(factor).all() and np.isfinite(summand).all() else None


def folded(chain: list[Node], shapes: Any) -> Node:
    """One node for a layer with weights and the arithmetic behind it; it makes the last one's top."""
    first = chain[0]
    layer = first.layer
    assert isinstance(layer, (Convolution, InnerProduct))
    channels = int(shapes[chain[-1].tops[0]][1])
    factor, summand = np.ones(channels), np.zeros(channels)
    for node in chain[1:]:
        a, c = affine(node, shapes[node.bottoms[0]]) or (factor, summand)
        factor, summand = factor * a, summand * a + c
    weight = first.blobs[0]
    values = _scaled(layer, weight.read64().reshape(weight.shape), factor)
    bias = (first.blobs[1].read64() if layer.bias else 0.0) * factor + summand
    blobs = (Blob.of(values.astype(np.float32)), Blob.of(bias.astype(np.float32)))
    return replace(first, layer=replace(layer, bias=True), tops=chain[-1].tops, blobs=blobs)


def _scaled(layer: Carrier, weight: Float64, factor: Float64) -> Float64:
    """The weights with each output channel's times its factor."""
    if isinstance(layer, InnerProduct):
        return weight * (factor if layer.transpose else factor[:, None])
    if isinstance(layer, Deconvolution):  # (C_in, C_out / group, …): the groups lie along the first axis
        groups = layer.group
        split = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
        return (split * factor.reshape(groups, 1, -1, 1)).reshape(weight.shape)
    return weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))


__all__ = ["affine", "fold_into_conv", "folded"]
