"""Convert trained Caffe models to ONNX, and prove that the result computes what Caffe computed.

Example::

    import caffe_bn_convert as cbc

    conversion = cbc.convert("deploy.prototxt", "weights.caffemodel")
    conversion.save("out.onnx", verify=True)

Names are imported when they are first used, so that ``caffe-bn-convert --help`` need not wait for NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from caffe_bn_convert._version import __version__
from caffe_bn_convert.errors import (
    CannotWriteError,
    ConversionError,
    InvalidNetError,
    ParseError,
    Problem,
    ProviderError,
    RefusedError,
    ResourceLimitError,
    UnreadableError,
    UnsupportedError,
    UsageError,
    VerificationError,
    Where,
    WrongFileError,
)

if TYPE_CHECKING:
    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.front import convert, shapes
    from caffe_bn_convert.layers import LAYERS
    from caffe_bn_convert.preprocessing import Preprocessing

__all__ = [
    "LAYERS",
    "CannotWriteError",
    "Conversion",
    "ConversionError",
    "InvalidNetError",
    "ParseError",
    "Preprocessing",
    "Problem",
    "ProviderError",
    "RefusedError",
    "ResourceLimitError",
    "UnreadableError",
    "UnsupportedError",
    "UsageError",
    "VerificationError",
    "Where",
    "WrongFileError",
    "__version__",
    "convert",
    "shapes",
]

_LATER = {
    "LAYERS": "layers",
    "Conversion": "conversion",
    "convert": "front",
    "shapes": "front",
    "Preprocessing": "preprocessing",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
