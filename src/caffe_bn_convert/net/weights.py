"""Which learned blobs belong to which layer: Caffe's ``CopyTrainedLayersFrom`` and ``AppendParam`` (net.cpp), fillers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.caffe.blob import Blob
from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.lint.finding import Finding
from caffe_bn_convert.net.dim import fixed, show
from caffe_bn_convert.net.limits import require_fillable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.caffe.caffemodel import Caffemodel, SourceLayer
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.layers.base import Parameter


@dataclass(frozen=True, slots=True)
class Located:
    """Weights found for a net.

    Attributes:
        blobs: for every layer of the net its blobs; None where only sharers of the blob could have it and none had.
        unused: names of layers that only the weights have, in their order.
    """

    blobs: tuple[tuple[Blob | None, ...], ...]
    unused: tuple[str, ...] = ()


def locate(net: NetDefinition, sources: Sequence[Caffemodel]) -> Located:
    """Match weights to layers by name, as Caffe does, without looking at shapes.

    Several sources are loaded one after the other. Of layers with the same name in the net, Caffe fills the first.
    Blobs whose ``param { name }`` is the same are one blob in Caffe: the one that is loaded last wins for all.
    """
    index: dict[str, int] = {}
    for i, layer in enumerate(net.layers):
        index.setdefault(layer.name, i)
    own: list[tuple[Blob | None, ...]] = [()] * len(net.layers)
    shared: dict[str, Blob] = {}
    unused: list[str] = []
    for source in (layer for file in sources for layer in file.layers):
        if source.name not in index:
            if source.blobs:
                unused.append(source.name)
            continue
        target = index[source.name]
        _take(net.layers[target], source, own, target, shared)
    blobs = tuple(_with_shared(layer, own[i], shared) for i, layer in enumerate(net.layers))
    return Located(blobs, tuple(dict.fromkeys(unused)))


def _take(
    layer: LayerDefinition,
    source: SourceLayer,
    own: list[tuple[Blob | None, ...]],
    target: int,
    shared: dict[str, Blob],
) -> None:
    if not source.blobs:
        return
    own[target] = source.blobs
    pairs = zip(_shared_names(layer), source.blobs, strict=False)
    shared.update({name: blob for name, blob in pairs if name and blob is not None})


def _shared_names(layer: LayerDefinition) -> list[str]:
    return [spec.name for spec in layer.parameter.param]


def _with_shared(
    layer: LayerDefinition, own: tuple[Blob | None, ...], shared: dict[str, Blob]
) -> tuple[Blob | None, ...]:
    names = _shared_names(layer)
    if not any(names):
        return own
    count = max(len(own), len(names))
    found: list[Blob | None] = []
    for i in range(count):
        name = names[i] if i < len(names) else ""
        found.append(shared.get(name) if name else (own[i] if i < len(own) else None))
    return () if all(blob is None for blob in found) else tuple(found)


def fit(found: Sequence[Blob | None], expected: Sequence[Parameter]) -> tuple[tuple[Blob, ...], list[Finding]]:
    """Check the blobs of one layer against what the layer expects, and give them the shapes that it means.

    Returns:
        the blobs, and what is suspicious about them.

    Raises:
        ResourceLimitError: there are no weights, and more to fill than is sane.
        InvalidNetError: Caffe would stop (``Cannot copy param``, ``Incompatible number of blobs``), or the layer has no
            weights and its filler is random.
    """
    if found and len(found) != len(expected):
        raise InvalidNetError(
            f"the weights have {len(found)} blobs for this layer, but it takes {len(expected)}"
            f" ({', '.join(p.role for p in expected) or 'none'})",
            hint="the prototxt and the weights do not belong together, or the layer is of another fork's dialect",
        )
    require_fillable(to_fill(found, expected))
    blobs: list[Blob] = []
    findings: list[Finding] = []
    for i, parameter in enumerate(expected):
        blob = found[i] if found else None
        if blob is None:
            blobs.append(_filled(parameter))
            findings.append(_missing(parameter))
        else:
            blobs.append(_shaped(blob, parameter))
    return tuple(blobs), findings


def to_fill(found: Sequence[Blob | None], expected: Sequence[Parameter]) -> int:
    """How many numbers :func:`fit` would make by fillers that are not random."""
    missing = [p for i, p in enumerate(expected) if i >= len(found) or found[i] is None]
    return sum(prod(fixed(p.shape)) for p in missing if p.filler.type in ("constant", "bilinear"))


def _shaped(blob: Blob, parameter: Parameter) -> Blob:
    shape = fixed(parameter.shape)
    padded = (1,) * (4 - len(shape)) + shape
    # Caffe compares the old four numbers with the new shape filled up with ones from the left (Blob::ShapeEquals).
    if blob.shape != (padded if blob.legacy else shape):
        raise InvalidNetError(
            f"the {parameter.role} is {show(blob.shape)} in the weights, but the layer needs {show(shape)}",
            hint="the prototxt and the weights do not belong together; compare num_output, kernel_size and group",
        )
    return blob.with_shape(shape)


def _filled(parameter: Parameter) -> Blob:
    shape, filler = fixed(parameter.shape), parameter.filler
    if filler.type == "constant":
        values = np.broadcast_to(np.float32(filler.value), shape)
    elif filler.type == "bilinear":
        values = bilinear(shape)
    else:
        raise InvalidNetError(
            f"there are no weights for the {parameter.role}, and Caffe would fill it at random ({filler.type})",
            hint="give the weights file that this net was trained into; check the layer's name in it",
        )
    return Blob.of(values)


def _missing(parameter: Parameter) -> Finding:
    filler = parameter.filler
    said = f"{filler.type} {filler.value:g}" if filler.type == "constant" else filler.type
    if filler.given:
        return Finding("NET002", f"no weights for the {parameter.role}: taken from its filler ({said})")
    return Finding("NET001", f"no weights for the {parameter.role}; Caffe would silently take {said}")


def bilinear(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Caffe's ``BilinearFiller`` (filler.hpp): every square plane holds the same upsampling kernel.

    Args:
        shape: four dimensions, the last two equal.
    """
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InvalidNetError("the bilinear filler needs a 4-D blob with a square kernel")
    width = shape[3]
    f = np.float32((width + 1) // 2)
    c = np.float32((width - 1) / (2.0 * float(f)))
    ramp = np.float32(1) - np.abs(np.arange(width, dtype=np.float32) / f - c)
    plane = np.outer(ramp, ramp).astype(np.float32)
    return np.broadcast_to(plane, (prod(shape[:2]), width, width)).reshape(shape)
