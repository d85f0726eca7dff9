"""Fold each BatchNorm and the Scale and Bias layers behind it into one ONNX BatchNormalization.

A Scale or Bias is folded along its edge, wherever it stands in the file, when
    - its bottom is the top of the BatchNorm (or of what was folded before),
    - that value has no other reader and is no output,
    - it has one bottom (its factor is learned), and
    - its factor spans the channel axis and nothing else, or is a single number.

Cases that stay apart:
    - BatchNorm by the statistics of the batch: there is nothing to fold into;
    - a Scale before the BatchNorm, or one with two bottoms;
    - a Scale over other axes than the channels;
    - a BatchNorm on a 1-D blob: it has one channel, axis 0 is the batch.

With scale s and bias t behind ``g * (x - mean) / sqrt(variance + eps) + b`` the fold is ``g' = g * s``,
``b' = b * s + t``: in float64, rounded to float32 once, when written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.layers.norm import BatchNorm, BatchNormalization, Bias, Scale
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from caffe_bn_convert.layers.norm import Float64
    from caffe_bn_convert.net.ir import Graph, Node


@stage("fold")
def fold_batchnorm(graph: Graph) -> Graph:
    """The graph with every stored-statistics BatchNorm folded."""
    readers = graph.readers()
    outputs = set(graph.outputs)
    chains: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.layer, BatchNorm) and not node.layer.batch_statistics:
            chains[node.tops[0]] = chain = [node]
            while (following := _following(graph, readers[chain[-1].tops[0]], chain[-1].tops[0], outputs)) is not None:
                chain.append(following)
    gone = {top for chain in chains.values() for member in chain[1:] for top in member.tops}
    inner = {member.tops[0] for chain in chains.values() for member in chain[:-1]}
    nodes = tuple(
        folded(chains[node.tops[0]]) if node.tops and node.tops[0] in chains else node
        for node in graph.nodes
        if not gone.intersection(node.tops)
    )
    return replace(
        graph, nodes=nodes, shapes={name: shape for name, shape in graph.shapes.items() if name not in inner}
    )


def _following(graph: Graph, readers: list[Node], value: str, outputs: set[str]) -> Node | None:
    if len(readers) != 1 or value in outputs:
        return None
    node = readers[0]
    if not isinstance(node.layer, (Scale, Bias)) or len(node.bottoms) != 1:
        return None
    axis, count = node.layer.span((graph.shapes[value],))
    per_channel = (axis, count) == (1, 1) or count == 0
    return node if per_channel and len(graph.shapes[value]) > 1 else None


def folded(chain: list[Node]) -> Node:
    """One node for a BatchNorm and what follows it; it is called like the BatchNorm and makes the last one's top."""
    first = chain[0]
    assert isinstance(first.layer, BatchNorm)
    mean, variance, eps = first.layer.normal(first.blobs)
    scale, bias = np.ones_like(mean), np.zeros_like(mean)
    for node in chain[1:]:
        scale, bias = _behind(node, scale, bias)
    blobs = tuple(Blob.of(values) for values in (scale, bias, mean, variance))
    return replace(first, layer=BatchNormalization(eps), tops=chain[-1].tops, blobs=blobs)


def _behind(node: Node, scale: Float64, bias: Float64) -> tuple[Float64, Float64]:
    values = [blob.read64() for blob in node.blobs]
    if isinstance(node.layer, Scale):
        scale, bias = scale * values[0], bias * values[0]
        return (scale, bias + values[1]) if node.layer.bias else (scale, bias)
    return scale, bias + values[0]
