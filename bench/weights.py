"""Weights for any prototxt, made on the spot: a ``.caffemodel`` that is always the same, written in a stream.

    python -m bench.weights deploy.prototxt out.caffemodel [data=1x3x224x224 …]

Values are such that numbers stay finite through deep nets: weights are normal with He's variance ``2 / fan in``,
statistics of normalisations are those of data with mean 0 and variance 1, roughly, stored times Caffe's moving-average
factor 999.98. Blobs above 4 Mi numbers repeat their first 4 Mi.
"""

from __future__ import annotations

import math
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import caffe_bn_convert as cbc
from caffe_bn_convert.errors import at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from caffe_bn_convert.layers.base import Parameter
    from caffe_bn_convert.net.ir import Graph

FACTOR = 999.98  # what Caffe's moving average comes to after long training
BLOCK = 1 << 22

LAYER, NAME, TYPE, BLOBS, SHAPE, DIM, DATA = 100, 1, 2, 7, 7, 1, 5  # field numbers


def write_weights(prototxt: Path, target: Path, shapes: Mapping[str, Sequence[int]] | None = None) -> int:
    """Write weights for every layer of ``prototxt`` that has any; returns the number of numbers.

    Args:
        prototxt: the net.
        target: the ``.caffemodel`` to write.
        shapes: shapes of inputs that the prototxt does not tell.

    Raises:
        ConversionError: the net cannot be read, or a layer has no known parameters.
    """
    graph = cbc.shapes(prototxt, shapes=shapes, keep_losses=False)
    total = 0
    with target.open("wb") as file:
        file.write(_bytes(NAME, graph.name.encode()))
        for name, kind, parameters in layers(graph):
            head = _bytes(NAME, name.encode()) + _bytes(TYPE, kind.encode())
            blobs = [_blob_head(parameter.shape) for parameter in parameters]
            sizes = [len(blob) + 4 * math.prod(p.shape) for blob, p in zip(blobs, parameters, strict=True)]
            file.write(_field(LAYER, len(head) + sum(len(_field(BLOBS, size)) + size for size in sizes)) + head)
            for blob, size, parameter in zip(blobs, sizes, parameters, strict=True):
                file.write(_field(BLOBS, size) + blob)
                for part in values(name, parameter, stored_times=_factor(parameters)):
                    file.write(part.data)
                    total += part.size
    return total


def layers(graph: Graph) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Name, type and parameters of the layers that have parameters."""
    for node in graph.nodes:
        with at(node.where):
            parameters = node.layer.parameters(tuple(graph.shapes[bottom] for bottom in node.bottoms))
        if parameters:
            yield node.name, node.type, parameters


def _factor(parameters: Sequence[Parameter]) -> float:
    return FACTOR if any(parameter.role == "factor" for parameter in parameters) else 1.0


def values(layer: str, parameter: Parameter, stored_times: float = 1.0) -> Iterator[NDArray[np.float32]]:
    """The numbers of one blob, in pieces of at most ``BLOCK``; they depend on the layer's name and the role only."""
    count = math.prod(int(dim) for dim in parameter.shape)
    random = np.random.Generator(np.random.PCG64(zlib.crc32(f"{layer}/{parameter.role}".encode())))
    block = _drawn(random, parameter.role, parameter.shape, min(count, BLOCK), stored_times)
    while count > 0:
        yield block[:count]
        count -= block.size


def _drawn(
    random: np.random.Generator, role: str, shape: Sequence[Any], count: int, stored_times: float
) -> NDArray[np.float32]:
    normal = random.standard_normal(count, np.float32)
    uniform = np.float32(0.5) + random.random(count, np.float32)
    if role == "factor":
        return np.full(count, FACTOR, np.float32)
    if role == "variance":
        return uniform * np.float32(stored_times)
    if role == "value":  # a Parameter's: it may well be a variance
        return uniform
    if role == "mean":
        return normal * np.float32(0.1 * stored_times)
    if role == "scale":
        return np.float32(0.6) + np.float32(0.4) * uniform
    if role == "slope":
        return np.float32(0.25) * uniform
    if role.endswith("bias"):
        return normal * np.float32(0.05)
    return normal * np.float32(math.sqrt(2 / max(1, math.prod(int(dim) for dim in shape[1:]))))


def _blob_head(shape: Sequence[Any]) -> bytes:
    dims = b"".join(_varint(int(dim)) for dim in shape)
    return _bytes(SHAPE, _bytes(DIM, dims)) + _field(DATA, 4 * math.prod(int(dim) for dim in shape))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, length: int) -> bytes:
    return _varint(number << 3 | 2) + _varint(length)


def _bytes(number: int, data: bytes) -> bytes:
    return _field(number, len(data)) + data


def main(prototxt: str, target: str, *shapes: str) -> None:
    """Write weights; shapes are given as ``data=1x3x224x224``."""
    pairs = (shape.rpartition("=")[::2] for shape in shapes)
    given = {name: [int(dim) for dim in dims.split("x")] for name, dims in pairs}
    count = write_weights(Path(prototxt), Path(target), given)
    print(f"{target}: {count:,} numbers")


if __name__ == "__main__":
    main(*sys.argv[1:])
