"""Work in place, where a layer would overwrite what it still has to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError

if TYPE_CHECKING:
    from caffe_bn_convert.layers.base import Source


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
