"""Inputs that mean something: a label, an index, a region. Which they are tells the layer that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

    Array = np.ndarray[Any, np.dtype[Any]]
    Role = Callable[[np.random.Generator, tuple[int, ...], LayerDefinition], Array]


def sequence_starts(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """``cont`` of LSTM and RNN: 0 where a sequence starts, as it does in the first step, else 1."""
    value = (rng.random(shape) > 0.2).astype(np.float64)
    value[:1] = 0
    return value


def binary(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """0 or 1, at least one of them 1: labels for any number of classes, selectors, similarities."""
    value = (rng.random(shape) > 0.5).astype(np.float64)
    value.reshape(-1)[:1] = 1
    return value


def words(rng: np.random.Generator, shape: tuple[int, ...], reader: LayerDefinition) -> Array:
    """Indices into the table of an Embed layer."""
    return rng.integers(0, max(1, reader.parameter.embed_param.input_dim), shape).astype(np.float64)


def rows(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """Row 0 or, where there are several rows to take, also row 1: safe for any batch of two."""
    return np.zeros(shape) if int(np.prod(shape)) < 2 else rng.integers(0, 2, shape).astype(np.float64)


def regions(rng: np.random.Generator, shape: tuple[int, ...], reader: LayerDefinition) -> Array:
    """Regions of interest of image 0: (0, x1, y1, x2, y2) in pixels of the net's input."""
    size = 16 / max(_scale(reader), 1e-3)
    value = np.zeros((int(np.prod(shape)) // 5, 5))
    corner = rng.uniform(0, size / 2, (len(value), 2))
    value[:, 1:3], value[:, 3:5] = corner, corner + rng.uniform(0, size / 2, corner.shape)
    return np.round(value).reshape(shape)


def regions_of_rows(rng: np.random.Generator, shape: tuple[int, ...], reader: LayerDefinition) -> Array:
    """Regions of interest, with a score behind each if the rows have six numbers."""
    rows = int(np.prod(shape[:1]))
    value = regions(rng, (rows, 5), reader)
    return np.column_stack([value, rng.random((rows, int(np.prod(shape[1:])) - 5))]).reshape(shape)


def _scale(reader: LayerDefinition) -> float:
    for field in ("roi_pooling_param", "psroi_pooling_param", "roi_align_param", "roi_warping_param"):
        block = reader.text.block(field) if reader.text is not None else None
        scale = block.get("spatial_scale") if block is not None else None
        if isinstance(scale, (int, float)):
            return float(scale)
    return 1.0


def priors(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """What PriorBox makes: boxes with corners in order, then their variances, if there is room for them."""
    count = shape[-1] // 4
    centre, half = rng.uniform(0.1, 0.9, (count, 2)), rng.uniform(0.02, 0.2, (count, 2))
    boxes = np.concatenate([centre - half, centre + half], axis=1).reshape(-1)
    variances = np.tile([0.1, 0.1, 0.2, 0.2], count)
    return np.broadcast_to(np.stack([boxes, variances])[: shape[-2] if len(shape) > 1 else 1], shape).copy()


def scores(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """Confidences between 0 and 1, most of them low."""
    return rng.random(shape) ** 4


def positive(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """Numbers above 0: what has a logarithm."""
    return rng.uniform(0.05, 4, shape)


def places(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """Masks of a pooling layer: for every cell another place in the plane, all of them inside."""
    inner = int(np.prod(shape[2:]))
    planes = [rng.permutation(inner) for _ in range(int(np.prod(shape[:2])))]
    return np.array(planes, np.float64).reshape(shape)


def picture(rng: np.random.Generator, shape: tuple[int, ...], _reader: LayerDefinition) -> Array:
    """What a layer that proposes regions is told of the picture: height, width and scale."""
    value = np.ones(shape)
    value[..., :2] = rng.integers(400, 1000, (*shape[:-1], 2))[..., : shape[-1]]
    return value


ROLES: dict[tuple[str, int], tuple[str, Role]] = {
    **{(kind, 1): ("sequence starts", sequence_starts) for kind in ("LSTM", "RNN", "ConvLSTM")},
    **{
        (kind, 1): ("labels", binary)
        for kind in ("SoftmaxWithLoss", "Accuracy", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
                     "SigmoidCrossEntropyLoss")
    },
    ("MultinomialLogisticLoss", 0): ("scores", scores),
    ("InfogainLoss", 0): ("scores", scores),
    ("ContrastiveLoss", 2): ("labels", binary),
    ("Embed", 0): ("indices", words),
    ("BatchReindex", 1): ("rows", rows),
    **{("Filter", index): ("selector", binary) for index in range(1, 9)},
    **{(kind, 1): ("regions", regions) for kind in ("ROIPooling", "PSROIPooling", "ROIAlign", "ROIWarping")},
    ("DetectionOutput", 1): ("scores", scores),
    ("DetectionOutput", 2): ("boxes", priors),
    ("Log", 0): ("positive", positive),
    ("Upsample", 1): ("places", places),
    ("Unpooling", 1): ("places", places),
    ("Proposal", 2): ("height, width and scale", picture),
    ("Python", 2): ("height, width and scale", picture),
    ("BoxGroupOutput", 0): ("scores", scores),
    ("DecodeBBox", 1): ("regions", regions_of_rows),
    ("ScaleRoute", 0): ("regions", regions_of_rows),
    ("FrcnnOutput", 0): ("scores", scores),
    ("FrcnnOutput", 2): ("regions", regions_of_rows),
    ("FrcnnOutput", 3): ("height and width", picture),
}  # fmt: skip
"""By type of the reader and position among its bottoms."""

PASSING = frozenset({"Split", "Reshape", "Flatten", "Permute", "Slice", "Concat", "Dropout"})


def role_of(net: NetDefinition, blob: str) -> tuple[str, Role, LayerDefinition] | None:
    """What the input ``blob`` means, or None for ordinary numbers; looks through layers that only move numbers."""
    names = {blob}
    for layer in net.layers:
        for index, bottom in enumerate(layer.parameter.bottom):
            if bottom not in names:
                continue
            found = ROLES.get((layer.type, _position(layer, index)))
            if found is not None:
                return (*found, layer)
            if layer.type in PASSING:
                names.update(layer.parameter.top)
    return None


def _position(layer: LayerDefinition, index: int) -> int:
    """Filter selects by its last bottom, synopsys-caffe's DetectionOutput has several of each; else it is the index."""
    count = len(layer.parameter.bottom)
    if layer.type == "Filter" and index != count - 1:
        return 0
    maps = layer.parameter.detection_output_param.nbottom
    if layer.type == "DetectionOutput" and count >= max(maps, 3) and maps > 0:
        kinds = ([1] * maps + [0] * maps + [2] * (maps if count == 3 * maps else 1) + [3] * count)[:count]
        return kinds[index]
    return index
