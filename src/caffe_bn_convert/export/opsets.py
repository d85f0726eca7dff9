"""Which versions of the ONNX operators can be written."""

from __future__ import annotations

from caffe_bn_convert.errors import UsageError

MIN_OPSET = 13
DEFAULT_OPSET = 17
MAX_OPSET = 28


def check_opset(opset: int) -> None:
    """Refuse an opset that is out of range.

    Raises:
        UsageError: it is no number from ``MIN_OPSET`` to ``MAX_OPSET``, or beyond the installed onnx.
    """
    from onnx.defs import onnx_opset_version

    newest = min(MAX_OPSET, onnx_opset_version())
    if not isinstance(opset, int) or not MIN_OPSET <= opset <= newest:
        raise UsageError(f"opset {opset} is not supported; choose one from {MIN_OPSET} to {newest}")
