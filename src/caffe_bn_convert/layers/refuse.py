"""What layers of several families refuse: forks' fields without a known meaning, and work in place that spoils itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import InvalidNetError, UnsupportedError

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Source

FORK_FIELDS = 10000
"""Our ``caffe.proto`` numbers the fields that only forks have from here on."""

_HARMLESS = frozenset({"engine", "fuse"})


def refuse_fork_fields(message: Any, *known: str) -> None:
    """Refuse a field that only forks have, unless it says its default or is one of ``known``.

    Raises:
        UnsupportedError: such a field, by name.
    """
    for field, value in message.ListFields():
        if field.number < FORK_FIELDS or field.name in known or field.name in _HARMLESS:
            continue
        if value != field.default_value:
            raise UnsupportedError(
                f"the field {field.name} is a fork's, and what it does there is not rendered here",
                hint="remove it if the net was not trained with that fork",
            )


def refuse_in_place(source: Source) -> None:
    """Refuse a layer that overwrites a bottom which it still has to read.

    Caffe stops at some types (``CHECK_NE(top[0], bottom[0])``) and computes nonsense with others.

    Raises:
        InvalidNetError: a top has the name of a bottom.
    """
    parameter = source.definition.parameter
    shared = set(parameter.bottom) & set(parameter.top)
    if shared:
        raise InvalidNetError(
            f'it works in place on "{min(shared)}", which {parameter.type} cannot',
            hint="give its top a name of its own",
        )
