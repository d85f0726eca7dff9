"""The nets whose conversions are damaged, or proven again and again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

import caffe_bn_convert
from bench.damage import File
from caffe_bn_convert.verify.oracle.values import plan

if TYPE_CHECKING:
    from caffe_bn_convert.conversion import Conversion

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
FIXTURES = ROOT / "fixtures"

GROUPS = (
    "BatchNorm", "Composite", "Concat", "Convolution", "ConvolutionDepthwise", "Deconvolution", "Eltwise", "LRN", "MVN",
    "PReLU", "Permute", "Pooling", "ReLU", "Reduction", "Slice", "Softmax",
)  # fmt: skip

SLOW = frozenset({
    "mbyolov3lite-tusimple", "open-nsfw-resnet50", "res10-ssd-face", "retinaface-mnet25", "squeezenet-trafficlight",
    "ultralight-rfb320", "waifu2x-upconv7", "wechat-qr-detect", "wechat-qr-sr",
})  # fmt: skip
"""Whose proof takes seconds: not damaged, only proven."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A net on the disk.

    Attributes:
        name: its folder and the one above.
        folder: with the prototxt and maybe weights.
        trained: whether it is a real model.
    """

    name: str
    folder: Path
    trained: bool = False

    def converted(self) -> Conversion:
        """Its conversion.

        Raises:
            ConversionError: it does not convert.
        """
        prototxt = next(p for p in (self.folder / "deploy.prototxt", self.folder / "model.prototxt") if p.is_file())
        weights = next((self.folder / name for name in _WEIGHTS if (self.folder / name).is_file()), None)
        return caffe_bn_convert.convert(prototxt, weights, allow="all", keep_losses=True)


_WEIGHTS = ("weights.caffemodel", "digits.caffemodel")


def trained() -> list[Subject]:
    """Real models."""
    digits = Subject("digits", FIXTURES / "digits", trained=True)
    return [digits, *(Subject(folder.name, folder, trained=True) for folder in _folders(SHARED / "models"))]


def random_nets() -> list[Subject]:
    """Nets put together at random, with random weights."""
    return [Subject(f"random/{folder.name}", folder) for folder in _folders(SHARED / "random")]


def small() -> list[Subject]:
    """Nets of a few layers each."""
    return [Subject(f"{g}/{folder.name}", folder) for g in GROUPS for folder in _folders(FIXTURES / "golden" / g)]


def _folders(parent: Path) -> list[Path]:
    return sorted(folder for folder in parent.iterdir() if folder.is_dir()) if parent.is_dir() else []


def file_of(conversion: Conversion, model: Path) -> File:
    """The written file with what a damage needs to know of the net."""
    layers, located = conversion.net.layers, conversion.located.blobs
    types = {layer.name: layer.type for layer in layers}
    factors = {
        layer.name: float(blobs[2].read()[0])
        for layer, blobs in zip(layers, located, strict=True)
        if layer.type == "BatchNorm" and len(blobs) > 2 and blobs[2] is not None
    }
    proto = onnx.load(model)
    return File(proto, _rendered(conversion, proto), types, factors)


def _rendered(conversion: Conversion, proto: onnx.ModelProto) -> dict[str, frozenset[str]]:
    """For every node the layers that it renders: the one it is named after, and those whose value the layer's nodes make."""
    names = sorted((layer.name for layer in conversion.net.layers), key=len, reverse=True)
    makers = {key: conversion.net.layers[step.index].name for step in plan(conversion.net).steps for key in step.tops}
    named = {
        node.name: next((name for name in names if node.name == name or node.name.startswith(f"{name}/")), node.name)
        for node in proto.graph.node
    }
    together: dict[str, set[str]] = {}
    for node in proto.graph.node:
        layers = together.setdefault(named[node.name], {named[node.name]})
        layers.update(makers[value] for value in node.output if value in makers)
    return {node: frozenset(together[name]) for node, name in named.items()}
