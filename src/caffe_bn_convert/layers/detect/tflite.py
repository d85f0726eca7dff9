"""DetectionOutput of synopsys-caffe with ``tflite_detection``: TensorFlow Lite's TFLite_Detection_PostProcess."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.export.elem_types import FLOAT
from caffe_bn_convert.layers.base import Source, require
from caffe_bn_convert.layers.detect.greedy import just_below, suppressed
from caffe_bn_convert.layers.detect.output import FIELDS, PARTS, DetectionOutput
from caffe_bn_convert.layers.detect.suppress import LOWEST
from caffe_bn_convert.layers.dialect import taken_for
from caffe_bn_convert.net.dim import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor
    from caffe_bn_convert.layers.base import Shapes
    from caffe_bn_convert.lint.finding import Finding


@dataclass(frozen=True, slots=True)
class TfliteOutput(DetectionOutput):
    """Boxes suppress each other by the best score of their classes; each that is kept has a row for its best classes.

    Locations and priors are y, x, height, width, the priors with centres. Rows count classes without the background and
    come by falling best score of a box.

    Attributes:
        scale: what the locations are multiplied by, as x, y, width, height.
        most: rows of a box.
    """

    BOTTOMS = (3, 3)
    KNOWN: ClassVar[tuple[str, ...]] = (
        *FIELDS, *PARTS, "tflite_detection", "tflite_use_regular_nms", "max_classes_per_detection", "scale_xywh",
    )  # fmt: skip

    scale: tuple[float, ...] = ()
    most: int = 1

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``detection_output_param``.

        Raises:
            UnsupportedError: ``tflite_use_regular_nms``, which the fork refuses, too.
        """
        p = source.detection_output_param
        if p.tflite_use_regular_nms:
            raise UnsupportedError("tflite_use_regular_nms is not known; the fork refuses it, too")
        require(source.bottoms == 3, f"with tflite_detection it takes 3 bottoms, not {source.bottoms}")
        require(
            p.share_location and p.background_label_id == 0, "tflite_detection needs shared locations, background 0"
        )
        require(p.keep_top_k > 0, "tflite_detection needs keep_top_k above 0")
        require(len(p.scale_xywh) == 4, f"scale_xywh has 4 numbers, not {len(p.scale_xywh)}")
        most = p.max_classes_per_detection
        require(0 < most < p.num_classes, f"max_classes_per_detection must be between 0 and num_classes, not {most}")
        # super() would need the class that slots=True replaces.
        read: Self = DetectionOutput.read.__func__(cls, source)  # type: ignore[attr-defined]
        return replace(read, scale=tuple(p.scale_xywh), most=most)

    def findings(self, bottoms: Shapes, w: Sequence[Blob]) -> Iterable[Finding]:  # noqa: ARG002
        """DIA001."""
        yield taken_for("synopsys-caffe's DetectionOutput of TensorFlow Lite", "by tflite_detection")

    def shapes(self, bottoms: Shapes) -> Shapes:
        """(1, 1, rows, 7)."""
        images = fixed(bottoms[0][:1])[0]
        require(images == 1, f"tflite_detection has room for one image, not {images}")
        return DetectionOutput.shapes(self, bottoms)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """TopK over the classes, NonMaxSuppression over the boxes."""
        priors = self._priors(tuple(t.shape for t in x))
        scores = e.reshape(x[1].name, x[1].shape, (1, priors, self.classes))
        best, labels = e.op(
            "TopK", e.slice(scores, [1], [self.classes], [2]), e.ints([self.most], "most"), outputs=2, axis=2
        )
        first = e.op("Transpose", e.slice(best, [0], [1], [2]), perm=[0, 2, 1])
        boxes = self._boxes(e, x, priors)
        least = None if self.nms.least <= LOWEST else just_below(self.nms.least)
        places = suppressed(e, boxes, first, self.nms.threshold, least, min(self.keep, priors))
        kept = [e.op("Gather", value, places, axis=1) for value in (best, e.op("Cast", labels, to=FLOAT), boxes)]
        score, label = (e.op("Reshape", value, e.ints([-1, 1], "shape")) for value in kept[:2])
        each = e.op("Expand", e.op("Unsqueeze", kept[2], e.ints([2], "axes")), e.ints([1, 1, self.most, 1], "shape"))
        image = e.op("Sub", label, label)
        rows = e.op("Concat", image, label, score, e.op("Reshape", each, e.ints([-1, 4], "shape")), axis=1)
        return [self._finish(e, rows, x[1])]

    def _boxes(self, e: Emitter, x: Sequence[Tensor], priors: int) -> str:
        """(1, priors, 4), corners, x first."""
        by_x, by_y, by_width, by_height = self.scale
        flat = e.op("Reshape", x[2].name, e.ints([1, -1, 4], "shape"))
        centre, side = e.split(e.slice(flat, [0], [priors], [1]), [2, 2], 2)
        shift, growth = e.split(e.reshape(x[0].name, x[0].shape, (1, priors, 4)), [2, 2], 2)
        moved = e.op("Mul", e.op("Mul", e.constant([by_y, by_x], "scale"), shift), side)
        middle = e.op("Add", moved, centre)
        grown = e.op("Mul", e.op("Exp", e.op("Mul", e.constant([by_height, by_width], "scale"), growth)), side)
        half = e.op("Div", grown, e.constant(2.0, "two"))
        corners = e.op("Concat", e.op("Sub", middle, half), e.op("Add", middle, half), axis=2)
        return str(e.op("Gather", corners, e.ints([1, 0, 3, 2], "x_first"), axis=2))
