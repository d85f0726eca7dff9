"""Which values of somebody else's file layers that jump are to be judged on: found by their numbers, names tell little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.verify.foreign import Nothing
from caffe_bn_convert.verify.locate import judged
from caffe_bn_convert.verify.oracle import discontinuous
from caffe_bn_convert.verify.oracle.values import is_input, plan
from caffe_bn_convert.verify.tolerance import Rule
from caffe_bn_convert.verify.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.verify.defendant import Defendant
    from caffe_bn_convert.verify.inputs import Feed
    from caffe_bn_convert.verify.walk import Caffe, Visit

MOVING = frozenset({"Concat", "Flatten", "Permute", "Reshape", "Split"})
"""Layers that compute nothing; other converters leave them out or do them elsewhere."""


def find(caffe: Caffe, defendant: Defendant, feed: Feed) -> dict[str, str]:
    """For the bottoms of layers that jump the names of the values in the file, in the order of the net.

    A value is one of them if its numbers are, but for noise, in whatever shape. What is not found is left out.

    Args:
        caffe: the net.
        defendant: the file.
        feed: the inputs to look with.
    """
    keys = _read_by_choosers(caffe)
    if not keys:
        return {}
    wanted = {visit.key: visit for visit in walk(caffe, feed.arrays, Nothing()) if visit.key in keys}
    found: dict[str, str] = {}
    for name, value in defendant.everything(feed):
        for key, visit in wanted.items():
            if key not in found and value.size == visit.exact.size and is_value(visit.shown_as(value)):
                found[key] = name
        if len(found) == len(wanted):
            break
    return {key: found[key] for key in wanted if key in found}


def is_value(visit: Visit) -> bool:
    """Whether what the file shows for a value is that value, whatever else may be wrong with the file."""
    return judged(visit, Rule()).passed


def _read_by_choosers(caffe: Caffe) -> set[str]:
    steps = plan(caffe.net).steps
    makers = {key: step for step in steps for key in step.tops}
    layers = caffe.net.layers

    def sources(key: str) -> Iterator[str]:
        maker = makers[key]
        if not is_input(layers[maker.index]):
            yield key
            for read in maker.bottoms if layers[maker.index].type in MOVING else ():
                yield from sources(read.key)

    choosers = (step for step in steps if discontinuous(layers[step.index].parameter))
    return {key for step in choosers for read in step.bottoms for key in sources(read.key)}
