"""Put the preprocessing of pictures in front of an input.

The ONNX input keeps the blob's name, and with it the net's interface; what the net reads is then called
``<blob>/preprocessed`` (with a number, should a blob of that name exist).

Cases:
    - one input with four axes, or the one that is named: a Preprocess node in front of all its readers;
    - nothing to do (no mean, scale 1, the net's own layout and size): the graph stays as it is;
    - ``fold``: mean, scale and order of channels go into the first layers' weights (`fold_preprocess`), and what is left
      (bytes, layout, crop) stays a node.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.errors import UsageError
from caffe_bn_convert.layers.preprocess import Preprocess
from caffe_bn_convert.net.dim import Symbol, is_fixed, show
from caffe_bn_convert.net.ir import Node
from caffe_bn_convert.net.passes.fold_preprocess import fold_preprocess

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from caffe_bn_convert.net.dim import Dim, Shape
    from caffe_bn_convert.net.ir import Graph
    from caffe_bn_convert.preprocessing import Preprocessing


def preprocess(graph: Graph, wanted: Preprocessing) -> Graph:
    """The graph with ``wanted`` in front of one of its inputs.

    Raises:
        UsageError: it does not fit the net's input.
        UnsupportedError: it cannot be folded exactly.
    """
    name = input_of(graph, wanted.input)
    shape = graph.shapes[name]
    means, fed = _means(wanted, name, shape), _size(wanted, name, shape)
    if wanted.rgb and shape[1] != 3:
        raise UsageError(f'RGB has three channels, the input "{name}" has {shape[1]}')
    swap, scale = wanted.rgb, wanted.scale32
    if wanted.fold:
        graph = fold_preprocess(graph, name, means, scale, swap=swap)
        means, swap, scale = None, False, 1.0
    blobs = () if means is None or not means.any() else (Blob.of(means),)
    layer = Preprocess(shape[2:], wanted.layout == "nhwc", swap, wanted.uint8, scale)
    if not blobs and layer == Preprocess(fed):
        return graph
    raw = (shape[0], *fed, shape[1]) if layer.nhwc else (*shape[:2], *fed)
    return _in_front(graph, name, layer, raw, blobs, "uint8" if wanted.uint8 else "float32")


def input_of(graph: Graph, name: str | None) -> str:
    """The input that is meant.

    Raises:
        UsageError: it is not one, or nobody says which of several.
    """
    pictures = [blob for blob in graph.inputs if len(graph.shapes[blob]) == 4]
    if name is None and len(pictures) == 1:
        return pictures[0]
    if name in pictures:
        return str(name)
    inputs = ", ".join(f"{blob} ({show(graph.shapes[blob])})" for blob in graph.inputs)
    what = "which input is the picture?" if name is None else f'"{name}" is no input with four axes;'
    raise UsageError(f"{what} the inputs are {inputs}", hint="say so with --preprocess-input NAME")


def _means(wanted: Preprocessing, name: str, shape: Shape) -> np.ndarray[Any, Any] | None:
    """The mean as (C, 1, 1) or (C, H, W) at the net's size."""
    means, channels = wanted.means, shape[1]
    if not means.size:
        return None
    if len(means) not in (1, channels) and isinstance(channels, int):
        raise UsageError(f'the mean has {len(means)} values, the input "{name}" has {channels} channels')
    if means.ndim == 1:
        return means.reshape(-1, 1, 1)
    size = wanted.crop_from or shape[2:]
    if not is_fixed(shape[2:]) or means.shape[1:] != size:
        raise UsageError(
            f'the mean is of {show(means.shape[1:])}, but pictures for the input "{name}" have {show(size)}'  # type: ignore[arg-type]
            if is_fixed(shape[2:])
            else "a mean for every pixel needs a fixed height and width",
            hint="if the net takes the centre of larger pictures, say --crop-from HxW; or give one mean for each channel",
        )
    starts = [(a - int(b)) // 2 for a, b in zip(means.shape[1:], shape[2:], strict=True)]
    h, w = (slice(start, start + int(size)) for start, size in zip(starts, shape[2:], strict=True))
    return means[:, h, w]


def _size(wanted: Preprocessing, name: str, shape: Shape) -> tuple[Dim, ...]:
    """Height and width of what the user feeds."""
    if wanted.crop_from is None:
        return shape[2:]
    if not is_fixed(shape[2:]):
        raise UsageError(f'only a fixed size can be cut from the centre; the input "{name}" has {show(shape[2:])}')
    fed = tuple(Symbol.named(size) if isinstance(size, str) else size for size in wanted.crop_from)
    if any(isinstance(a, int) and a < int(b) for a, b in zip(fed, shape[2:], strict=True)):
        raise UsageError(f"the net's {show(shape[2:])} cannot be cut from pictures of {show(fed)}")
    return fed


def _in_front(graph: Graph, name: str, layer: Preprocess, raw: Shape, blobs: tuple[Blob, ...], elem_type: str) -> Graph:
    inner, count = f"{name}/preprocessed", 1
    while inner in graph.shapes:
        count += 1
        inner = f"{name}/preprocessed_{count}"
    nodes = [
        replace(node, bottoms=tuple(inner if bottom == name else bottom for bottom in node.bottoms))
        for node in graph.nodes
    ]
    first = Node(inner, "Preprocess", layer, (name,), (inner,), blobs)
    shapes = {**graph.shapes, name: raw, inner: graph.shapes[name]}
    return replace(graph, nodes=(first, *nodes), shapes=shapes, elem_types={**graph.elem_types, name: elem_type})


__all__ = ["input_of", "preprocess"]
