"""Forks give one layer name several meanings: what is read here, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import UnsupportedError
from caffe_bn_convert.lint.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection

# In our schema fields that only forks have are numbered from here on.
FIRST_FORK_FIELD = 10000
# How a fork computes, not what.
_HARMLESS = frozenset({"engine"})


def only(message: Any, known: Collection[str]) -> None:
    """Refuse the fields of forks whose layer of the same name is another one than the layer that is meant.

    Args:
        message: a layer's parameters.
        known: names of forks' fields that the caller reads, or that do not change the result. A field that only says
            its default is no harm either.

    Raises:
        UnsupportedError: another one is given.
    """
    for field, value in message.ListFields():
        if field.number < FIRST_FORK_FIELD or field.name in known or field.name in _HARMLESS:
            continue
        if field.type == field.TYPE_MESSAGE or not _is_default(field, value):
            raise UnsupportedError(
                f'the field "{field.name}" belongs to a fork whose layer of this name is not known',
                hint="if it does not change the result, remove it",
            )


def taken_for(whose: str, why: str) -> Finding:
    """DIA001: the layer's name has several meanings, and this one was taken.

    Args:
        whose: the layer that it was taken for, such as ``"SegNet's Upsample"``.
        why: what told, such as ``"by its fields"``.
    """
    return Finding("DIA001", f"taken for {whose}, {why}")


def _is_default(field: Any, value: Any) -> bool:
    return bool(value == field.default_value)
