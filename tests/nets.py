"""Small nets for tests: a prototxt as text, weights written by protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe import schema

if TYPE_CHECKING:
    from pathlib import Path


def write_net(folder: Path, text: str, weights: dict[str, list[np.ndarray]] | None = None) -> tuple[Path, Path | None]:
    """Write ``text`` and the blobs of the layers; returns the two paths."""
    prototxt = folder / "model.prototxt"
    prototxt.write_text(text)
    if weights is None:
        return prototxt, None
    net = schema.message("NetParameter")(name="weights")
    for name, arrays in weights.items():
        layer = net.layer.add(name=name)
        for array in arrays:
            blob = layer.blobs.add(data=np.asarray(array, np.float32).ravel())
            blob.shape.dim.extend(np.shape(array))
            blob.shape.SetInParent()
    caffemodel = folder / "weights.caffemodel"
    caffemodel.write_bytes(net.SerializeToString())
    return prototxt, caffemodel


def input_layer(*dims: int, name: str = "data") -> str:
    """An Input layer."""
    shape = " ".join(f"dim: {dim}" for dim in dims)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {shape} }} }} }}\n'


def layer(type_: str, name: str, bottoms: str = "data", tops: str | None = None, rest: str = "") -> str:
    """A layer; ``bottoms`` and ``tops`` are names separated by spaces."""
    wires = "".join(f' bottom: "{b}"' for b in bottoms.split())
    wires += "".join(f' top: "{t}"' for t in (name if tops is None else tops).split())
    return f'layer {{ name: "{name}" type: "{type_}"{wires} {rest} }}\n'
