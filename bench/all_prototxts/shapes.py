"""Shapes of inputs that a prototxt does not tell, and what such inputs hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

import caffe_bn_convert as cbc
from bench.deploy_survey import SHAPES, SPECIAL
from caffe_bn_convert.errors import ConversionError
from caffe_bn_convert.verify.inputs.kinds import normal, smooth
from caffe_bn_convert.verify.inputs.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from caffe_bn_convert.conversion import Conversion

Shape = tuple[int, ...]
ASKED = re.compile(r"add --shape ([^=\s]+)=")
MORE: dict[str, Shape] = {
    **SPECIAL, "im_info": (1, 3), "rois": (3, 5), "masks": (3, 1, 21, 21), "Python2": (1, 250), "label": (1,),
    "pair_data": (1, 2, 28, 28),
}  # fmt: skip
"""Shapes of blobs that are no pictures, by name."""
BY_NET: dict[str, dict[str, Shape]] = {"dlunion__CaffeLSTM-OCR__train.prototxt": {"data": (1, 3, 32, 152)}}
"""Where a layer further on tells: 19 steps of time."""
MOLECULES: tuple[Shape, ...] = ((1, 28, 48, 48, 48), (1, 34, 48, 48, 48), (1, 35, 48, 48, 48))


def shape_choices(name: str) -> Iterator[Shape]:
    """Shapes to try for an input that the prototxt does not tell, as a user would give them."""
    if name in MORE:
        yield MORE[name]
        return
    yield from SHAPES
    yield (1, 3, 416, 416)
    yield from MOLECULES


def shaped(path: Path) -> dict[str, Shape]:
    """Shapes of the inputs that the prototxt does not tell, such that the net builds.

    Raises:
        ConversionError: there are none; with the reason for the first ones tried.
    """
    given: dict[str, Shape] = dict(BY_NET.get(path.name, {}))
    first: ConversionError | None = None
    open_: list[tuple[str, Iterator[Shape]]] = []
    while True:
        try:
            cbc.shapes(path, shapes=given, keep_losses=False)
        except cbc.UnsupportedError:
            raise
        except ConversionError as error:
            asked = ASKED.search(str(error))
            if asked is not None:
                open_.append((asked[1], shape_choices(asked[1])))
            else:
                first = first or error
        else:
            return given
        while open_:
            name, rest = open_[-1]
            shape = next(rest, None)
            if shape is not None:
                given[name] = shape
                break
            open_.pop()
            given.pop(name, None)
        if not open_ and first is not None:
            raise first


def numbers(conversion: Conversion, name: str, shape: Shape) -> Any:
    """What an input of this meaning holds: pictures less their mean where it is an ordinary blob."""
    random = np.random.default_rng(7)
    role = role_of(conversion.net, name)
    if role is not None:
        return role[1](random, shape, role[2]).astype(np.float32)
    made = smooth(random, shape) - 128 if len(shape) > 2 else normal(random, shape)
    return made.astype(np.float32)
