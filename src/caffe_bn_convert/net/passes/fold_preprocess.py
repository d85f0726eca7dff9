"""Put mean, scale and order of channels of the preprocessing into the layers that read the picture.

With ``W * x + b`` behind ``x = scale * (picture - mean)`` the fold is ``W' = scale * W``, ``b' = b - W' * mean``, in
float64, rounded to float32 once.

Cases:
    - Convolution: exact as long as padding stays what it was. Caffe pads *after* the mean was subtracted, so that the
      border is the mean's colour; folded, it would be black. With padding only scale and order of channels fold;
    - a mean for every pixel: a convolution has one bias for all places, so it does not fold;
    - a group of channels that is not all of them: channels cannot change their group, so the order does not fold;
    - InnerProduct over everything but the batch: always exact;
    - any other reader, or a picture that is an output: refused, with the layer's name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.errors import UnsupportedError, at
from caffe_bn_convert.layers.conv import Convolution
from caffe_bn_convert.layers.dense import InnerProduct

if TYPE_CHECKING:
    from typing import Any

    from caffe_bn_convert.net.ir import Graph, Node

    Array = np.ndarray[Any, np.dtype[Any]]

HINT = "leave out --fold-preprocess: nodes in front of the net compute the same, and cost little"


def fold_preprocess(graph: Graph, name: str, means: Array | None, scale: float, *, swap: bool) -> Graph:
    """The graph whose first layers take the picture as it is fed.

    Args:
        name: the input.
        means: (C, 1, 1) or (C, H, W), or (1, 1, 1) for all channels; None subtracts nothing.
        scale: multiplied after that.
        swap: the picture's channels come in reverse order.

    Raises:
        UnsupportedError: that is not exact; says which layer it is, and why.
    """
    shape = graph.shapes[name]
    channels = int(shape[1])
    mean = np.zeros((channels, 1, 1)) if means is None else np.broadcast_to(means, (channels, *means.shape[1:]))
    nodes = []
    for node in graph.nodes:
        if name in node.bottoms:
            with at(node.where):
                node = _folded(
                    node, tuple(map(int, shape[1:])) if _flat(node) else (), mean.astype(np.float64), scale, swap
                )
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _flat(node: Node) -> bool:
    return isinstance(node.layer, InnerProduct)


def _folded(node: Node, picture: tuple[int, ...], mean: Array, scale: float, swap: bool) -> Node:  # noqa: FBT001  (handed on)
    layer = node.layer
    if isinstance(layer, InnerProduct) and layer.axis in (1, -3):
        weights = _matrix(node, picture)
        mean = np.broadcast_to(mean, picture)
        shift = weights.reshape(len(weights), -1) @ mean.reshape(-1)
    elif type(layer) is Convolution and layer.axis in (1, -3) and len(node.bottoms) == 1:
        _check(layer, mean, swap)
        weights = node.blobs[0].read64().reshape(node.blobs[0].shape)
        groups = layer.group
        sums = weights.reshape(groups, layer.num_output // groups, weights.shape[1], -1).sum(axis=3)
        shift = np.einsum("goi,gi->go", sums, mean.reshape(groups, -1)).reshape(-1)
    else:
        raise UnsupportedError(
            f"the preprocessing does not fold into a {node.type} layer, which reads the picture", hint=HINT
        )
    bias = (node.blobs[1].read64() if layer.bias else 0.0) - scale * shift
    weights = scale * (weights[:, ::-1] if swap else weights)
    if isinstance(layer, InnerProduct) and layer.transpose:
        weights = weights.reshape(len(weights), -1).T
    blobs = (Blob.of(weights.astype(np.float32)).with_shape(node.blobs[0].shape), Blob.of(bias.astype(np.float32)))
    return replace(node, layer=replace(layer, bias=True), blobs=blobs)


def _matrix(node: Node, picture: tuple[int, ...]) -> Array:
    """The weights of an InnerProduct as (out, C, H, W)."""
    assert isinstance(node.layer, InnerProduct)
    weights = node.blobs[0].read64().reshape(node.blobs[0].shape)
    return (weights.T if node.layer.transpose else weights).reshape(-1, *picture)


def _check(layer: Convolution, mean: Array, swap: bool) -> None:  # noqa: FBT001  (handed on)
    if swap and layer.group > 1:
        raise UnsupportedError(
            f"RGB cannot become BGR in its weights: it has {layer.group} groups of channels", hint=HINT
        )
    if mean.any() and any(layer.window.pad):
        raise UnsupportedError(
            f"the mean does not fold into it, because it pads its input (pad {layer.window.pad[0]}): Caffe pads with zeros "
            "behind the subtraction, which is the mean's colour",
            hint=HINT,
        )
    if mean.shape[1:] != (1, 1):
        raise UnsupportedError(
            "a mean for every pixel does not fold into a convolution: it has one bias for all", hint=HINT
        )
