"""Caffe's forward pass in NumPy, written after Caffe's C++ and nothing else: the judge of every ONNX file we write.

What it shares with the converter is the parsed, upgraded net and the located blobs; parameters are read here a second
time, on purpose. It imports NumPy, the standard library and our errors only (a test holds it to that).
"""

from __future__ import annotations

from .rules import DISCONTINUOUS, LAYERS, discontinuous
from .run import forward, run
from .values import outputs

__all__ = ["DISCONTINUOUS", "LAYERS", "discontinuous", "forward", "outputs", "run"]
