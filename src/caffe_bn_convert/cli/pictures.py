"""Options for preprocessing inside the ONNX file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.cli.options import together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.preprocessing import Preprocessing


def _crop(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:
    if value is None or value == "none":
        return value
    if value == "any":
        return "height", "width"
    height, cross, width = value.replace("×", "x").partition("x")
    if not (cross and height.isdigit() and width.isdigit()):
        raise click.BadParameter(f'"{value}" is neither of the form 256x256 nor "any" or "none"')
    return int(height), int(width)


PREPROCESSING = together(
    click.option("--preprocess", is_flag=True, help="Put the data layer's transform_param in front of the net."),
    click.option("--preprocess-from", type=click.Path(), metavar="PROTOTXT",
                 help="The same, from another prototxt: the train_val of a deploy net."),
    click.option("--mean", metavar="NUMBERS|FILE",
                 help="Subtracted: 104,117,123 in the net's order of channels, a mean.binaryproto or a mean.npy."),
    click.option("--scale", type=float, help="Multiplied after that, as in Caffe: (x - mean) * scale."),
    click.option("--rgb-input/--bgr-input", "rgb", default=None, help="Feed red first to a net that wants blue first."),
    click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Feed channels last: nhwc.  [default: nchw]"),
    click.option("--uint8-input", "uint8", is_flag=True, help="Feed bytes."),
    click.option("--crop-from", callback=_crop, metavar="HxW|any|none",
                 help="Feed pictures of this size; the net gets their centre."),
    click.option("--fold-preprocess", "fold_preprocess", is_flag=True,
                 help="Mean, scale and order of channels go into the first layer's weights, where that is exact."),
    click.option("--preprocess-input", "picture", metavar="NAME", help="The input that is meant, if there are several."),
)  # fmt: skip


def take(options: dict[str, Any], prototxt: str, state: Mapping[str, Any]) -> Preprocessing | None:
    """Take the options of PREPROCESSING out of ``options``; None where there are none.

    Args:
        options: the command's options; those of PREPROCESSING are removed.
        prototxt: the net, whose data layer ``--preprocess`` means.
        state: phase, level and stages.

    Raises:
        UsageError: they make no sense together.
    """
    from caffe_bn_convert.errors import UsageError

    source = options.pop("preprocess_from")
    source = prototxt if options.pop("preprocess") and source is None else source
    mean, crop, fold = (options.pop(key) for key in ("mean", "crop_from", "fold_preprocess"))
    means = _mean(mean) if mean is not None else ()
    given = {key: options.pop(key) for key in ("scale", "rgb", "layout")}
    given = {key: value for key, value in given.items() if value is not None}
    given |= {"uint8": True} if options.pop("uint8") else {}
    given |= {"crop_from": None if crop == "none" else crop} if crop is not None else {}
    picture = options.pop("picture")
    if source is None and mean is None and not given:
        if fold or picture:
            raise UsageError(
                "there is no preprocessing to fold or to place", hint="add --preprocess, or --mean and --scale"
            )
        return None
    from caffe_bn_convert.preprocessing import Preprocessing, from_prototxt

    base = Preprocessing(means) if source is None else from_prototxt(source, means, **state)
    return replace(base, fold=fold, input=picture, **given)


def _mean(text: str) -> Sequence[float]:
    from caffe_bn_convert.caffe.meanfile import read_mean
    from caffe_bn_convert.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        pass
    if "," in text and not Path(text).exists():
        raise UsageError(f'--mean "{text}" is neither numbers, such as 104,117,123, nor a file')
    return read_mean(text)  # type: ignore[return-value]
