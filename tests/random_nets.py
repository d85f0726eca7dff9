"""Nets put together at random out of everything that keeps to one bottom, and of what joins and cuts blobs.

A layer that Caffe would refuse for the blob at hand is left out again, so that nets grow from what fits.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe.prototxt.read import parse_net
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.net.build import build
from caffe_bn_convert.net.weights import Located
from tests.nets import input_layer, layer

if TYPE_CHECKING:
    from caffe_bn_convert.net.ir import Graph

SIZES = (2, 3, 4, 5, 6, 7)
Shape = tuple[int, ...]


class RandomNet:
    """A net that grows by :meth:`step`; ``text`` is its prototxt, ``graph`` what the converter makes of it."""

    def __init__(self, seed: int, steps: int = 9) -> None:
        self.random = random.Random(seed)
        self.shapes: dict[str, Shape] = {}
        self.text = ""
        self.count = 0
        for rank in (4, self.random.choice((1, 2, 3, 4, 5))):
            shape = tuple(self.random.choice(SIZES) for _ in range(rank))
            name = f"in{len(self.shapes)}"
            self.text += input_layer(*shape, name=name)
            self.shapes[name] = shape
        for _ in range(steps):
            self.random.choice((self.one, self.one, self.one, self.two, self.normalised, self.shared))()
        self.graph = graph_of(self.text)

    def axis(self, rank: int) -> int:
        """Any axis, counted from either end."""
        return self.random.randrange(-rank, rank)

    def maybe(self, text: str, chance: float = 0.5) -> str:
        """The text, or nothing."""
        return text if self.random.random() < chance else ""

    def add(self, kind: str, bottoms: list[str], tops: int, rest: str = "", *, in_place: bool = False) -> list[str]:
        """Add a layer if it fits; returns its tops, none if it does not."""
        self.count += 1
        names = bottoms[:1] if in_place else [f"b{self.count}_{i}" for i in range(tops)]
        text = self.text + layer(kind, f"l{self.count}", " ".join(bottoms), " ".join(names), rest)
        try:
            graph = graph_of(text)
        except ConversionError:
            return []
        self.text = text
        made = next(node.tops for node in graph.nodes if node.name == f"l{self.count}")
        self.shapes.update((name, graph.shapes[top]) for name, top in zip(names, made, strict=True))
        return names

    def blob(self) -> str:
        """Some blob, the last one rather than others."""
        return self.random.choice([*self.shapes, next(reversed(self.shapes))])

    def one(self) -> None:
        """A layer with one bottom."""
        name = self.blob()
        kind, make = self.random.choice(list(ONE.items()))
        in_place = self.random.random() < 0.3
        tops = self.random.randint(1, 3) if kind in ("Slice", "Split") else 1
        self.add(kind, [name], tops, make(self, self.shapes[name]), in_place=in_place and tops == 1)

    def two(self) -> None:
        """A layer with several bottoms."""
        r, name = self.random, self.blob()
        shape = self.shapes[name]
        axis = self.axis(len(shape)) if shape else 0
        kind = r.choice(("Concat", "Eltwise", "Scale", "Bias", "Crop"))
        others = [self.random.choice(list(self.shapes)) for _ in range(r.randint(1, 2))] + [name]
        fitting = [other for other in others if kind in ("Crop", "Scale", "Bias") or self.shapes[other] == shape]
        rest = {
            "Concat": f"concat_param {{ axis: {axis} }}",
            "Eltwise": f"eltwise_param {{ operation: {r.choice(('PROD', 'SUM', 'MAX'))} }}",
            "Crop": f"crop_param {{ axis: {axis} {self.maybe('offset: 1', 0.3)} }}",
        }
        spans = f"{kind.lower()}_param {{ axis: {axis} }}"
        self.add(kind, [name, r.choice(fitting)], 1, rest.get(kind, spans))

    def normalised(self) -> None:
        """BatchNorm with Scale and Bias behind it."""
        made = self.add("BatchNorm", [self.blob()], 1, f"batch_norm_param {{ {self.maybe('eps: 0.01')} }}")
        for kind in ("Scale", "Bias"):
            if made and self.random.random() < 0.6:
                shape = self.shapes[made[0]]
                rest = ONE[kind](self, shape) if self.random.random() < 0.3 else ""
                made = self.add(kind, made, 1, rest, in_place=self.random.random() < 0.5) or made

    def shared(self) -> None:
        """Layers that copy nothing in Caffe, and one that then writes in place."""
        bottom = self.blob()
        kind, rest = self.random.choice(SHARING)
        tops = self.add(kind, [bottom], 2 if kind == "Split" else 1, rest)
        if tops:
            self.add(self.random.choice(("ReLU", "TanH")), [self.random.choice([bottom, *tops])], 1, in_place=True)

    def shapes_of(self, name: str) -> Shape:
        """The shape of an input."""
        return tuple(self.graph.shapes[name])

    def weights(self) -> dict[str, list[np.ndarray]]:
        """Numbers for every learned blob."""
        rng = np.random.default_rng(self.random.randrange(1 << 30))
        found: dict[str, list[np.ndarray]] = {}
        for node in self.graph.nodes:
            for parameter in node.layer.parameters(tuple(self.graph.shapes[name] for name in node.bottoms)):
                values = rng.uniform(-1, 1, parameter.shape)
                positive = parameter.role in ("variance", "factor")
                found.setdefault(node.name, []).append(abs(values) + 0.1 if positive else values)
        return found


def graph_of(text: str) -> Graph:
    """The typed graph of a prototxt's text, without weights."""
    net = upgrade(parse_net(text))
    located = Located(((),) * len(net.layers))
    return build(net, located, LAYERS, phase="TEST", weights_needed=False)[0]


def _window(net: RandomNet, shape: Shape) -> str:
    r, axes = net.random, max(0, len(shape) - 2)

    def each(name: str, low: int, high: int) -> str:
        return " ".join(f"{name}: {r.randint(low, high)}" for _ in range(r.choice((1, axes or 1))))

    if axes == 2 and r.random() < 0.3:
        pads = (
            f"pad_h: {r.randint(0, 2)} pad_w: {r.randint(0, 2)} stride_h: {r.randint(1, 3)} stride_w: {r.randint(1, 3)}"
        )
        return f"kernel_h: {r.randint(1, 3)} kernel_w: {r.randint(1, 3)} {net.maybe(pads)}"
    parts = each("kernel_size", 1, 3), each("stride", 1, 3), each("pad", 0, 2), each("dilation", 1, 2)
    return " ".join([parts[0], *(net.maybe(part) for part in parts[1:])])


def _convolution(net: RandomNet, shape: Shape) -> str:
    channels = shape[1] if len(shape) > 1 else 1
    group = net.random.choice([n for n in range(1, channels + 1) if channels % n == 0])
    outputs = group * net.random.randint(1, 3)
    bias = net.maybe("bias_term: false", 0.3)
    return f"convolution_param {{ num_output: {outputs} group: {group} {bias} {_window(net, shape)} }}"


def _pooling(net: RandomNet, shape: Shape) -> str:
    r, n = net.random, net.random.randint
    pads = r.choice((f"pad: {n(0, 2)}", f"pad_h: {n(0, 2)} pad_w: {n(0, 2)}", ""))
    strides = r.choice((f"stride: {n(1, 4)}", f"stride_h: {n(1, 4)} stride_w: {n(1, 4)}", ""))
    window = f"kernel_h: {n(1, 4)} kernel_w: {n(1, 4)} {pads} {strides} {net.maybe('round_mode: FLOOR', 0.2)}"
    return f"pooling_param {{ pool: {r.choice(('MAX', 'AVE'))} {r.choice((window, window, 'global_pooling: true'))} }}"


def _spanning(net: RandomNet, shape: Shape) -> str:
    axis = net.axis(len(shape)) if shape else 0
    count = net.random.choice((-1, 0, 1, 2))
    spans = f"axis: {axis} num_axes: {count}"
    return f"scale_param {{ {spans} {net.maybe('bias_term: true')} }} bias_param {{ {spans} }}"


def _reshape(net: RandomNet, shape: Shape) -> str:
    start = net.random.randint(0, len(shape))
    dims = net.random.choice(("dim: -1", "dim: 0 dim: -1", "dim: -1 dim: 2", "dim: -1 dim: 1 dim: 3"))
    begin = start if net.random.random() < 0.5 else start - len(shape) - 1
    return f"reshape_param {{ shape {{ {dims} }} axis: {begin} {net.maybe('num_axes: 1', 0.3)} }}"


def _permute(net: RandomNet, shape: Shape) -> str:
    order = net.random.sample(range(len(shape)), net.random.randint(0, len(shape)))
    return f"permute_param {{ {' '.join(f'order: {axis}' for axis in order)} }}"


def _with_axis(field: str, *more: str):  # a maker of parameters that have an axis
    def make(net: RandomNet, shape: Shape) -> str:
        rest = " ".join(net.maybe(part) for part in more)
        return f"{field} {{ {net.maybe(f'axis: {net.axis(len(shape)) if shape else 0}', 0.7)} {rest} }}"

    return make


def _plain(text: str = "", *choices: str):  # a maker of parameters that do not look at the blob
    return lambda net, _: net.random.choice((text, *choices))


ONE = {
    "ReLU": _plain("", "relu_param { negative_slope: 0.3 }"),
    "Sigmoid": _plain(),
    "TanH": _plain(),
    "AbsVal": _plain(),
    "BNLL": _plain(),
    "ELU": _plain("elu_param { alpha: 0.7 }"),
    "Swish": _plain("swish_param { beta: 0.6 }"),
    "Clip": _plain("clip_param { min: -0.4 max: 0.6 }", "clip_param { min: 0.6 max: -0.4 }"),
    "Power": _plain("power_param { power: 2 scale: 0.5 shift: -0.3 }", "power_param { scale: 0 shift: 2 }"),
    "Exp": _plain("exp_param { base: 2 scale: 0.3 shift: 0.2 }", "exp_param { scale: -0.3 }"),
    "PReLU": _plain("", "prelu_param { channel_shared: true }"),
    "Scale": _spanning,
    "Bias": _spanning,
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "Im2col": lambda net, shape: f"convolution_param {{ {_window(net, shape)} }}",
    "Pooling": _pooling,
    "LRN": _plain(
        "lrn_param { local_size: 3 alpha: 0.5 k: 2 }", "lrn_param { alpha: 0.3 norm_region: WITHIN_CHANNEL }"
    ),
    "MVN": _plain("mvn_param { eps: 0.1 }", "mvn_param { across_channels: true normalize_variance: false }"),
    "SPP": _plain("spp_param { pyramid_height: 2 pool: AVE }", "spp_param { pyramid_height: 1 }"),
    "InnerProduct": _with_axis("inner_product_param", "num_output: 3", "transpose: true", "bias_term: false"),
    "Softmax": _with_axis("softmax_param"),
    "Reduction": _with_axis("reduction_param", "operation: MEAN", "coeff: 0.7"),
    "Flatten": _with_axis("flatten_param", "end_axis: -2"),
    "Tile": lambda net, shape: f"tile_param {{ axis: {net.axis(len(shape) or 1)} tiles: {net.random.randint(1, 3)} }}",
    "Slice": _with_axis("slice_param"),
    "Split": _plain(),
    "Dropout": _plain(),
    "Reshape": _reshape,
    "Permute": _permute,
}
SHARING = (
    ("Split", ""),
    ("Flatten", ""),
    ("Reshape", "reshape_param { shape { dim: -1 } }"),
    ("Concat", "concat_param { axis: 0 }"),
    ("Slice", "slice_param { axis: 0 }"),
)
