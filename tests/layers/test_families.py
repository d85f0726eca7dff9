"""The table of layer types says what the modules say."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import caffe_bn_convert.layers
from caffe_bn_convert.layers import LAYERS
from caffe_bn_convert.layers.base import Layer


def modules():
    for module in pkgutil.iter_modules(caffe_bn_convert.layers.__path__):
        found = import_module(f"caffe_bn_convert.layers.{module.name}")
        if hasattr(found, "LAYERS"):
            yield module.name, found.LAYERS


def test_every_type_of_every_family_is_in_the_table_and_nothing_else():
    found = {name: cls for _, layers in modules() for name, cls in layers.items()}
    assert dict(LAYERS) == found
    assert sum(len(layers) for _, layers in modules()) == len(LAYERS), "a type that two families claim"


def test_a_type_of_your_own_joins_by_or():
    class Mine(Layer):
        pass

    joined = LAYERS | {"Mine": Mine, "ReLU": Mine}
    assert joined["Mine"] is joined["ReLU"] is Mine
    assert len(joined) == len(LAYERS) + 1
    assert LAYERS["ReLU"] is not Mine
    assert "Mine" not in LAYERS
    assert LAYERS.get("Mine") is None
