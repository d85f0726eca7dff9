"""How large a blob or a constant may be; looked at before any memory is taken."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, ResourceLimitError, UnsupportedError
from caffe_bn_convert.net.dim import show

if TYPE_CHECKING:
    from caffe_bn_convert.net.dim import Shape

INT_MAX = 2**31 - 1
"""Caffe counts in ints: a number in a prototxt beyond this becomes a negative one, a blob beyond this stops Caffe."""

MAX_CONSTANT = 1 << 24
"""Most numbers of one constant that we compute ourselves, such as prior boxes. Those of SSD512 are 0.2 million."""

MAX_FILLED = 1 << 27
"""Most numbers that fillers make for a whole net, for want of weights, or that all its constants hold: 512 MiB."""


def check_blob(shape: Shape, what: str) -> None:
    """Raise InvalidNetError for a blob that Caffe would not make, UnsupportedError for one that is empty.

    Source: blob.cpp, Reshape: ``blob size exceeds INT_MAX``.
    """
    numbers = [dim for dim in shape if isinstance(dim, int)]
    if any(dim < 0 for dim in numbers) or prod(numbers) > INT_MAX:
        raise InvalidNetError(f"{what} would be {show(shape)}; Caffe's blobs hold less than 2^31 values")
    if 0 in numbers:
        raise UnsupportedError(f"{what} would be {show(shape)}, without a single value")


def require_fillable(count: int) -> None:
    """Raise ResourceLimitError unless fillers may make ``count`` numbers."""
    if count > MAX_FILLED:
        raise ResourceLimitError(
            f"there are no weights, and fillers would make {count} numbers; {MAX_FILLED} is the most",
            hint="give the weights file that this net was trained into",
        )


def check_computed(count: int) -> None:
    """Raise ResourceLimitError unless all constants that we compute for a model may hold ``count`` numbers together."""
    if count > MAX_FILLED:
        raise ResourceLimitError(
            f"the model would need {count} numbers of computed constants; {MAX_FILLED} is the most"
        )


def check_constant(count: int, what: str) -> None:
    """Raise ResourceLimitError unless a constant of ``count`` numbers may be made."""
    if count > MAX_CONSTANT:
        raise ResourceLimitError(f"{what} would be a constant of {count} numbers; {MAX_CONSTANT} is the most")
