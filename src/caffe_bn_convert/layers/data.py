"""Where blobs come from but for Input: data layers and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.layers.base import Filler, Layer, Parameter, Shapes, Source, require
from caffe_bn_convert.layers.dialect import only
from caffe_bn_convert.layers.inputs import DataSource, checked
from caffe_bn_convert.net.dim import Shape, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from caffe_bn_convert.caffe.blob import Blob
    from caffe_bn_convert.export.emitter import Emitter, Tensor


@dataclass(frozen=True, slots=True)
class ImageSource(DataSource):
    """Data, ImageData and other layers that read files: the crop tells the size of the picture, nothing the channels.

    The number of channels is that of the mean values where there are several, else 3 (or 1 for ``force_gray``,
    ``is_color: false``).
    """

    RESTRICTIONS = "becomes an input; shape from crop_size, new_height/new_width or --shape"

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``transform_param`` and the batch size."""
        transform = source.transform_param
        own = _own_parameters(source)
        batch = int(getattr(own, "batch_size", 0) or 1) if own is not None else 1
        height, width = (_size(transform, own, axis) for axis in ("height", "width"))
        if not height or not width:
            return cls((None,))
        return cls(((batch, _channels(transform, own), height, width), (batch,)))


def _size(transform: Any, own: Any, axis: str) -> int:
    """The crop, or what the file or SSD's transformer resizes to; 0 if nothing tells."""
    resized = next((getattr(each, axis) for each in transform.resize_param), 0)
    return int(transform.crop_size or getattr(own, f"new_{axis}", 0) or resized)


@dataclass(frozen=True, slots=True)
class VideoSource(ImageSource):
    """VideoData, which stacks frames: as channels in TSN's Caffe, on an axis of their own in others."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``video_data_param``; TSN's has segments and a modality."""
        pictures = super(VideoSource, cls).read(source)
        own = source.video_data_param
        if pictures.given[0] is None or not own.HasField("new_length"):
            return pictures
        if not own.HasField("num_segments") and not own.HasField("modality"):
            return cls((None,))
        batch, _, height, width = pictures.given[0]
        channels = 2 if own.modality else 3  # optical flow, or a picture
        frames = int(own.new_length) * max(1, int(own.num_segments))
        return cls(((batch, frames * channels, height, width), (batch,)))


def _own_parameters(source: Source) -> Any:
    fields = {
        "Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param",
        "AnnotatedData": "data_param", "HDF5Data": "hdf5_data_param",
    }  # fmt: skip
    field = fields.get(source.definition.type)
    return getattr(source.definition.parameter, field) if field else None


def _channels(transform: Any, own: Any) -> int:
    if transform.force_gray or not getattr(own, "is_color", True):
        return 1
    return len(transform.mean_value) if len(transform.mean_value) > 1 else 3


@dataclass(frozen=True, slots=True)
class MemoryData(DataSource):
    """Data from memory: four sizes, and labels (memory_data_layer.cpp)."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``memory_data_param``."""
        p = source.memory_data_param
        only(p, ())
        shape = (int(p.batch_size), int(p.channels), int(p.height), int(p.width))
        require(all(shape), "memory_data_param needs batch_size, channels, height and width")
        return cls((shape, (shape[0],)))


@dataclass(frozen=True, slots=True)
class DummyData(Layer):
    """Constant blobs (dummy_data_layer.cpp)."""

    BOTTOMS = (0, 0)
    TOPS = (1, None)
    RESTRICTIONS = "with a random filler it becomes an input, and where --shape gives its blob's shape"

    tops: tuple[tuple[tuple[int, ...], float], ...] = ()

    @classmethod
    def read(cls, source: Source) -> Any:
        """Reads ``dummy_data_param``; one shape or filler serves all tops. Random fillers make it a :class:`DataSource`."""
        p = source.dummy_data_param
        only(p, ())
        shapes = [checked(tuple(shape.dim)) for shape in p.shape]
        if not shapes:
            columns = (p.num, p.channels, p.height, p.width)
            rows = max(len(c) for c in columns)
            require(
                all(len(c) in (1, rows) for c in columns) or not rows,
                "num, channels, height and width must each be given once, or once for each top",
            )
            shapes = [checked(tuple(int(c[i] if len(c) > 1 else c[0]) for c in columns)) for i in range(rows)]
        fillers = list(p.data_filler)
        count = source.tops
        require(len(shapes) in (1, count), f"it has {count} tops but {len(shapes)} shapes")
        require(len(fillers) in (0, 1, count), f"it has {count} tops but {len(fillers)} fillers")
        if any(filler.type != "constant" for filler in fillers):
            return DataSource(tuple(shapes * count if len(shapes) == 1 else shapes))
        values = [float(filler.value) for filler in fillers] or [0.0]
        shapes = shapes * count if len(shapes) == 1 else shapes
        values = values * count if len(values) == 1 else values
        return cls(tuple(zip(map(fixed, shapes), values, strict=True)))

    def shapes(self, bottoms: Shapes) -> Shapes:  # noqa: ARG002
        """As the prototxt says."""
        return tuple(shape for shape, _ in self.tops)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """ConstantOfShape, so that no zeros are stored."""
        return [
            e.op("ConstantOfShape", e.ints(shape, "shape"), value=np.array([value], np.float32))
            for shape, value in self.tops
        ]


@dataclass(frozen=True, slots=True)
class LearnedBlob(Layer):
    """Caffe's Parameter layer: a learned blob as a top (parameter_layer.hpp)."""

    BOTTOMS = (0, 0)

    shape: Shape = ()
    filler: Filler = Filler()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Reads ``parameter_param``; forks can fill the blob, each by another name."""
        p = source.parameter_param
        fillers = ("filler", "blob_filler", "weight_filler")
        only(p, fillers)
        filler = next((Filler.read(p, name) for name in fillers if p.HasField(name)), Filler())
        return cls(checked(tuple(p.shape.dim)), filler)

    def parameters(self, bottoms: Shapes) -> tuple[Parameter, ...]:  # noqa: ARG002
        """The blob itself."""
        return (Parameter("value", self.shape, self.filler),)

    def shapes(self, bottoms: Shapes) -> Shapes:  # noqa: ARG002
        """The blob's."""
        return (self.shape,)

    def emit(self, e: Emitter, x: Sequence[Tensor], w: Sequence[Blob]) -> Sequence[str]:  # noqa: ARG002
        """An initializer."""
        return [e.weight(w[0], "value", fixed(self.shape))]


LAYERS: dict[str, type[Layer]] = {
    "Data": ImageSource,
    "ImageData": ImageSource,
    "WindowData": ImageSource,
    "HDF5Data": ImageSource,
    "AnnotatedData": ImageSource,
    "VideoData": VideoSource,
    "MemoryData": MemoryData,
    "DummyData": DummyData,
    "Parameter": LearnedBlob,
}
