"""Small nets of Caffe, and ONNX files with something wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from caffe_bn_convert import convert
from tests.nets import write_net

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caffe_bn_convert.conversion import Conversion

CLASSIFIER = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 7 } } }
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 2 bias_term: false }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 0.001 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer {
  name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }
}
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def weights(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Blobs for CLASSIFIER; the BatchNorm's factor is 4, so that its numbers must be divided."""
    rng = np.random.default_rng(seed)
    return {
        "conv": [rng.normal(size=(4, 3, 3, 5)) * 0.3],
        "bn": [rng.normal(size=4) * 4, rng.uniform(0.5, 2, 4) * 4, np.array([4.0])],
        "scale": [rng.uniform(0.5, 2, 4), rng.normal(size=4)],
        "fc": [rng.normal(size=(5, 4 * 5 * 4)) * 0.1, rng.normal(size=5)],
    }


def converted(
    folder: Path, text: str = CLASSIFIER, blobs: dict[str, list[np.ndarray]] | None = None, **options: Any
) -> tuple[Conversion, Path]:
    """A conversion and its file, not proven yet."""
    conversion = convert(
        *write_net(folder, text, weights() if blobs is None else blobs or None), allow="all", **options
    )
    path = folder / "out.onnx"
    conversion.save(path, verify=False)
    return conversion, path


def damaged(path: Path, damage: Callable[[onnx.ModelProto], None]) -> Path:
    """A copy of an ONNX file that ``damage`` has changed."""
    model = onnx.load(path)
    damage(model)
    other = path.with_name("damaged.onnx")
    onnx.save(model, other)
    return other


def change(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[onnx.ModelProto], None]:
    """Change the numbers of an initializer."""

    def damage(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == name)
        value = edit(numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))

    return damage


def node(model: onnx.ModelProto, op_type: str) -> onnx.NodeProto:
    """The first node of a type."""
    return next(node for node in model.graph.node if node.op_type == op_type)
