"""What was done to pictures before the net saw them, for people who want it inside the ONNX file.

Caffe keeps this out of the net: the data layer's ``transform_param`` (data_transformer.cpp) crops the picture, subtracts
a mean and multiplies by a scale, in this order: ``(x - mean) * scale``. A deploy net starts behind all that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import UnsupportedError, UsageError, at

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caffe_bn_convert.caffe.definition import LayerDefinition

LAYOUTS = ("nchw", "nhwc")
METADATA_KEY = "caffe.preprocessing"


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessing:
    """What happens to a picture between the user and the net.

    Attributes:
        mean: one number, one for each channel, or an array (channels, height, width), in the *net's* order of channels
            (BGR for nearly every Caffe net, whatever order the user feeds). Empty: nothing is subtracted.
        scale: multiplied after that.
        rgb: the user feeds red first, while the net wants blue first: the channels change places.
        layout: "nchw", or "nhwc", as pictures lie in memory.
        uint8: the user feeds bytes.
        crop_from: height and width of the pictures that the user feeds, of which the net gets the centre; a string is
            the name of a dynamic axis. None: pictures have the net's size.
        fold: put mean, scale and the order of channels into the weights of the first layers instead of nodes of their own.
        input: the net's input that is meant; None where it has only one with four axes.
    """

    mean: Sequence[float] | NDArray[Any] = ()
    scale: float = 1.0
    rgb: bool = False
    layout: str = "nchw"
    uint8: bool = False
    crop_from: tuple[int | str, int | str] | None = None
    fold: bool = False
    input: str | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UsageError(f'layout "{self.layout}" is not one of {", ".join(LAYOUTS)}')
        if not np.isfinite(self.scale) or self.scale == 0:
            raise UsageError(f"a scale of {self.scale} leaves nothing of the picture")
        if self.means.ndim not in (1, 3) or not np.isfinite(self.means).all():
            raise UsageError("a mean is one number, one for each channel, or an array of channels, height and width")

    @property
    def means(self) -> NDArray[np.float32]:
        """The mean as float32, which Caffe has it in."""
        return np.array(self.mean, np.float32, ndmin=1)

    @property
    def scale32(self) -> float:
        """The scale as Caffe has it: rounded to float32."""
        return float(np.float32(self.scale))

    def metadata(self, name: str) -> dict[str, str]:
        """What the ONNX file says about it; ``name`` is the input."""
        means = self.means
        per_channel = [float(str(value)) for value in means] if means.ndim == 1 else "x".join(map(str, means.shape))
        told = {
            "input": name,
            "formula": "(x - mean) * scale",
            "mean": per_channel,
            "scale": float(str(np.float32(self.scale))),
            "channels fed": "RGB" if self.rgb else "as the net has them (BGR, as a rule)",
            "layout": self.layout,
            "type": "uint8" if self.uint8 else "float32",
            "centre crop of": list(self.crop_from) if self.crop_from is not None else None,
            "folded into the first layer": self.fold,
        }
        return {METADATA_KEY: json.dumps(told, sort_keys=True)}


def from_prototxt(
    prototxt: str | os.PathLike[str],
    mean: Sequence[float] | NDArray[Any] = (),
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
) -> Preprocessing:
    """What the ``transform_param`` of the first data layer says.

    A mean file that it names is not opened (nothing that a prototxt names is): read it with
    :func:`caffe_bn_convert.caffe.meanfile.read_mean` and give it as ``mean``, which goes before ``mean_value``.
    ``mirror`` is chance and left out. With ``crop_size`` the net's input may be cut from pictures of any size.

    Raises:
        UsageError: no data layer has a ``transform_param``, or it names a mean file and ``mean`` is not given.
        UnsupportedError: it asks for what only some fork of Caffe does.
    """
    net = upgrade(read_net(prototxt))
    net = filter_state(net, phase_of(net, phase), level, tuple(stages))
    found = [
        layer for layer in net.layers if not layer.parameter.bottom and layer.parameter.HasField("transform_param")
    ]
    if not found:
        raise UsageError(
            f"{net.file} has no transform_param in this phase",
            hint="deploy nets have none: take it from the train_val prototxt, or give --mean and --scale",
        )
    with at(found[0].where()):
        return _read(found[0], mean)


def _read(layer: LayerDefinition, mean: Sequence[float] | NDArray[Any]) -> Preprocessing:
    p = layer.parameter.transform_param
    if p.mean_file and not len(mean):
        raise UsageError(
            f'its transform_param names the mean file "{p.mean_file}", which is not opened by itself',
            hint="give it with --mean FILE, or the mean of each channel with --mean 104,117,123",
        )
    crop = p.crop_h or p.crop_size, p.crop_w or p.crop_size
    if p.pad or p.flow:
        raise UnsupportedError("its transform_param pads the picture, or holds optical flow; only some fork does that")
    if not len(mean):
        mean = [float(value) for value in p.mean_value]
    pixels = np.asarray(mean).shape[1:] if np.ndim(mean) == 3 else ()
    size = (pixels or ("height", "width")) if all(crop) and pixels != crop else None
    return Preprocessing(mean, float(p.scale), rgb=bool(p.bgr2rgb), crop_from=size and (size[0], size[1]))
