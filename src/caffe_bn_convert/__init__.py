"""Convert trained Caffe models to ONNX.

Example::

    import caffe_bn_convert as cbc

    conversion = cbc.convert("deploy.prototxt", "weights.caffemodel")
    conversion.save("out.onnx")
"""

from caffe_bn_convert._version import __version__
from caffe_bn_convert.convert import Conversion, convert, shapes
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
from caffe_bn_convert.layers import LAYERS

__all__ = [
    "LAYERS",
    "CannotWriteError",
    "Conversion",
    "ConversionError",
    "InvalidNetError",
    "ParseError",
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
