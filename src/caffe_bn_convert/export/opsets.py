"""Which versions of the ONNX operators can be written."""

from __future__ import annotations

from caffe_bn_convert.errors import UsageError

MIN_OPSET = 13
DEFAULT_OPSET = 17
MAX_OPSET = 28
"""The newest that onnx 1.23 knows and onnxruntime 1.32 runs; a test holds it to the installed ones."""


def check_opset(opset: int) -> None:
    """Refuse an opset that is out of range.

    Raises:
        UsageError: it is no number from ``MIN_OPSET`` to ``MAX_OPSET``, or beyond the installed onnx.
    """
    from onnx import __version__
    from onnx.defs import onnx_opset_version

    known = onnx_opset_version()
    if not isinstance(opset, int) or not MIN_OPSET <= opset <= MAX_OPSET:
        raise UsageError(f"opset {opset} is not supported; choose one from {MIN_OPSET} to {min(MAX_OPSET, known)}")
    if opset > known:
        what = f"opset {opset} is newer than onnx {__version__}, which knows opsets up to {known}"
        raise UsageError(what, hint="choose an older opset, or upgrade onnx and onnxruntime")
