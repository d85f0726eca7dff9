"""DetectionOutput of SSD (detection_output_layer.cpp), RefineDet and TextBoxes++, all in float32 as Caffe computes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.layer import expect

from .boxes import Suppression, decode, suppress
from .parted import is_parted, joined
from .tflite import tflite_output
from .yolo import region_output

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.fields import Fields
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


@dataclass(frozen=True, slots=True)
class _Options:
    """``detection_output_param``."""

    classes: int
    shared: bool
    background: int
    code: str
    in_target: bool
    keep: int
    least: float
    nms: Suppression

    @property
    def location_classes(self) -> int:
        """How many boxes a prior has."""
        return 1 if self.shared else self.classes


def _options(given: Fields) -> _Options:
    nms, numbered = given.inner("nms_param"), {"1": "CORNER", "2": "CENTER_SIZE", "3": "CORNER_SIZE"}
    code = given.word("code_type", "CORNER")
    options = _Options(
        classes=given.integer("num_classes", 0),
        shared=given.flag("share_location", default=True),
        background=given.integer("background_label_id", 0),
        code=numbered.get(code, code),
        in_target=given.flag("variance_encoded_in_target", default=False),
        keep=given.integer("keep_top_k", -1),
        least=given.number("confidence_threshold", -float(np.finfo(np.float32).max)),
        nms=Suppression(nms.number("nms_threshold", 0.3), nms.number("eta", 1), nms.integer("top_k", -1)),
    )
    if options.classes < 1 or options.nms.threshold < 0 or not 0 < options.nms.eta <= 1:
        raise InvalidNetError("DetectionOutput needs num_classes, nms_threshold ≥ 0 and eta in (0, 1]")
    return options


def _boxes(options: _Options, location: Array, prior: Array, refinement: Array | None) -> Array:
    """Decoded boxes (images, location classes, priors, 4), from the priors or from the priors once decoded."""
    priors, variance = prior.reshape(2, -1, 4).astype(np.float32)
    weights = np.ones_like(variance) if options.in_target else variance
    if refinement is not None:
        first = refinement.astype(np.float32).reshape(len(location), 1, len(priors), 4)
        priors = decode(priors, weights, options.code, first)
    by_class = location.astype(np.float32).reshape(len(location), prior.size // 8, options.location_classes, 4)
    return decode(priors, weights, options.code, by_class.transpose(0, 2, 1, 3))


def _scores(options: _Options, confidence: Array, objectness: Array | None, least: float) -> Array:
    """Scores (images, priors, classes); RefineDet makes an unlikely anchor's 1, 0, 0, … (OSGetConfidenceScores)."""
    scores = confidence.astype(np.float32).reshape(len(confidence), -1, options.classes)
    if objectness is None:
        return scores
    unlikely = objectness.astype(np.float32).reshape(*scores.shape[:2], 2)[..., 1:] < np.float32(least)
    background = (np.arange(options.classes) == 0).astype(np.float32)
    return np.where(unlikely, background, scores)


def _detections(options: _Options, boxes: Array, scores: Array) -> list[tuple[float, int, int]]:
    """Of one image: (score, class, prior), by class and score; ``keep_top_k`` cuts over all classes."""
    found: list[tuple[float, int, int]] = []
    for label in range(options.classes):
        if label == options.background:
            continue
        kept = suppress(boxes[0 if options.shared else label], scores[:, label], options.least, options.nms)
        found += [(float(scores[index, label]), label, index) for index in kept]
    if -1 < options.keep < len(found):
        # Caffe's sort is unstable: which of equal scores stay at the cut is undefined there, here it is the first.
        best = sorted(found, key=lambda item: -item[0])[: options.keep]
        found = sorted(best, key=lambda item: item[1])
    return found


def _rows(
    options: _Options, boxes: Array, scores: Array, cells: tuple[int, int] | None = None, drawn: Array | None = None
) -> list[Array]:
    """The top.

    Args:
        options: the parameters.
        boxes, scores: of all prior boxes.
        cells: (anchors, columns): a row also has the anchor, the column and the row of its cell.
        drawn: (images, priors, numbers): a row also has those of its prior box.
    """
    rows: list[list[float]] = []
    for image in range(len(scores)):
        for score, label, index in _detections(options, boxes[image], scores[image]):
            box = boxes[image, 0 if options.shared else label, index]
            rows.append([image, label, score, *box])
            if cells is not None:
                cell, anchor = divmod(index, cells[0])
                rows[-1] += [anchor, cell % cells[1], cell // cells[1]]
            if drawn is not None:
                rows[-1] += drawn[image, index].tolist()
    if not rows:
        more = 3 if cells is not None else 0 if drawn is None else drawn.shape[2]
        rows = [[image, *[-1.0] * (6 + more)] for image in range(len(scores))]
    return [np.array(rows, np.float32)[None, None]]


def _check(bottoms: list[Array], options: _Options, numbers: int = 4) -> None:
    """Caffe's checks of the bottoms' sizes; a location has so many numbers. Raises InvalidNetError."""
    location, confidence, prior = bottoms[:3]
    if prior.shape[:2] != (1, 2) or prior[0, 0].size % 4:
        raise InvalidNetError(f"the priors must be 1×2×(4 per box), not {prior.shape}")
    priors = prior[0, 0].size // 4
    fits = (priors * options.location_classes * numbers, priors * options.classes)
    sizes = (location[0].size, confidence[0].size)
    if len(location) != len(confidence) or sizes != fits:
        what = f"{priors} priors need {fits[0]} locations and {fits[1]} confidences per image, not {sizes}"
        raise InvalidNetError(what)


def _refinement(given: Fields, bottoms: list[Array]) -> list[Array]:
    """RefineDet's bottoms. SSD's layer may have a fourth, too, for ``visualize`` (TransformInv), and does not read it else."""
    if len(bottoms) == 4 and not given.has("objectness_score"):
        fits = len(bottoms[3]) == len(bottoms[0]) and bottoms[3][0].size * 2 == bottoms[2][0, 0].size
        return bottoms[3:] if fits and not given.flag("visualize", default=False) else []
    return bottoms[3:]


def detection_output(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``DetectionOutput``: rows (image, label, score, xmin, ymin, xmax, ymax), shape (1, 1, rows, 7).

    Boxes are never clipped. Only if no image has a detection there is one row (image, -1, …) for each. With more
    bottoms it is RefineDet's: the fourth has the anchor refinement module's scores (background, object), the fifth its
    locations. With one it is caffe-yolov2's, with ``use_polygon`` it is TextBoxes++'s, with ``nbottom`` of each
    synopsys-caffe's.
    """
    if len(bottoms) == 1:
        return region_output(layer, bottoms[0])
    given = fields(layer, "detection_output_param")
    if not given.flag("normalized", default=True):
        raise UnsupportedError("detection_output_param.normalized is another fork's dialect")
    if given.flag("tflite_detection", default=False):
        return [tflite_output(given, bottoms).astype(layer.dtype)]
    options = _options(given)
    if options.shared and options.background == -1:
        # The shared boxes have the label -1: Caffe takes them for background, decodes none and aborts.
        raise InvalidNetError("DetectionOutput with share_location cannot have background_label_id -1")
    parted = is_parted(given, len(bottoms))
    if parted:
        bottoms = joined(given, bottoms, options.classes, shared=options.shared)
    expect(layer, bottoms, 3, 5)
    if given.has("use_polygon"):
        return _text(layer, bottoms, options, polygon=given.flag("use_polygon", default=True))
    _check(bottoms, options)
    objectness, refinement = [*(bottoms[3:] if parted else _refinement(given, bottoms)), None, None][:2]
    if refinement is not None and not options.shared:
        raise UnsupportedError("RefineDet's DetectionOutput has shared locations")
    scores = _scores(options, bottoms[1], objectness, given.number("objectness_score", 0.01))
    boxes = _boxes(options, bottoms[0], bottoms[2], refinement)
    return [top.astype(layer.dtype) for top in _rows(options, boxes, scores)]


def _text(layer: Layer, bottoms: list[Array], options: _Options, *, polygon: bool) -> list[Array]:
    """TextBoxes++ (its detection_output_layer.cpp and bbox_util.cpp): behind the boxes, which alone suppress each other,

    a row has the four corners of a ``polygon`` (DecodeBBoxPolygon), else two points and a height (DecodeBBoxRBox).
    """
    expect(layer, bottoms, 3)
    if options.code != "CENTER_SIZE" or options.in_target or not options.shared:
        raise UnsupportedError("TextBoxes++'s DetectionOutput computes its quadrangles with shared CENTER_SIZE only")
    numbers = 12 if polygon else 9
    _check(bottoms, options, numbers)
    location = bottoms[0].astype(np.float32).reshape(len(bottoms[0]), -1, numbers)
    boxes = _boxes(options, np.ascontiguousarray(location[..., :4]), bottoms[2], None)
    priors, variance = bottoms[2].reshape(2, -1, 4).astype(np.float32)
    side = priors[:, 2:] - priors[:, :2]
    points = location[..., 4:12] if polygon else location[..., 4:8]
    moved = variance[:, None, :2] * points.reshape(*location.shape[:2], -1, 2) * side[:, None]
    if polygon:
        left, top, right, bottom = priors.T
        corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1)
        drawn = (moved + corners.reshape(-1, 4, 2)).reshape(*location.shape[:2], 8)
    else:
        centre = (priors[:, :2] + priors[:, 2:]) / np.float32(2)
        height = np.exp(variance[:, 3] * location[..., 8]) * side[:, 1]
        drawn = np.concatenate([(moved + centre[:, None]).reshape(*location.shape[:2], 4), height[..., None]], axis=2)
    rows = _rows(options, boxes, _scores(options, bottoms[1], None, 0), drawn=drawn)
    return [top.astype(layer.dtype) for top in rows]


def detection_output_extended(layer: Layer, bottoms: list[Array], _blobs: Blobs) -> list[Array]:
    """``DetectionOutputExtended`` of OpenVINO's fork (detection_output_extended_layer.cpp): rows of ten.

    Two classes, the first is the background; locations are (N, rows, columns, 4·anchors). Behind the box a row has the
    anchor and the column and row of its cell.
    """
    expect(layer, bottoms, 3)
    options = replace(_options(fields(layer, "detection_output_param")), background=0)
    if options.classes != 2 or not options.shared or bottoms[0].ndim != 4 or bottoms[0].shape[3] % 4:
        raise InvalidNetError("it needs num_classes 2 and shared locations (N, rows, columns, 4·anchors)")
    _check(bottoms, options)
    scores = _scores(options, bottoms[1], None, 0)
    boxes = _boxes(options, bottoms[0], bottoms[2], None)
    cells = (bottoms[0].shape[3] // 4, bottoms[0].shape[2])
    return [top.astype(layer.dtype) for top in _rows(options, boxes, scores, cells)]
