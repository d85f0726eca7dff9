"""A dict of layer types that imports a family's module when one of its types is asked for.

A net uses a handful of families, and making the classes of the others would take longer than converting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.layers.base import Layer


class Families(Mapping[str, "type[Layer]"]):
    """Layer types by Caffe's name.

    Args:
        families: for every module of this package the types that its ``LAYERS`` has.
    """

    def __init__(self, families: Mapping[str, tuple[str, ...]]) -> None:
        self._family = {name: family for family, names in families.items() for name in names}
        self._known: dict[str, type[Layer]] = {}

    def __getitem__(self, name: str) -> type[Layer]:
        if name not in self._known:
            types: Mapping[str, type[Layer]] = import_module(f"{__package__}.{self._family[name]}").LAYERS
            self._known |= types
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._family

    def __iter__(self) -> Iterator[str]:
        return iter(self._family)

    def __len__(self) -> int:
        return len(self._family)

    def __or__(self, more: Mapping[str, type[Layer]]) -> dict[str, type[Layer]]:
        return {**self, **more}
