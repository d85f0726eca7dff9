"""The runtime's inner values, fetched slice by slice so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caffe_bn_convert.verify.tolerance import Array

SLICE = 1 << 27
"""So many numbers, 512 MB of them, are held at once."""


class Shown:
    """From keys to arrays; keys are asked for once, in their order.

    Args:
        keys: for every key the name of its value in the file, in the order of the net.
        sizes: how many numbers each has; what is missing counts as none.
        run: gives the values of some names.
    """

    def __init__(
        self, keys: Mapping[str, str], sizes: Mapping[str, int], run: Callable[[Sequence[str]], Mapping[str, Array]]
    ) -> None:
        self._keys, self._run = keys, run
        self._slices = _sliced(keys, sizes)
        self._loaded: dict[str, Array] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def get(self, key: str) -> Array | None:
        """The numbers of ``key``, or None; only once."""
        if key not in self._keys:
            return None
        if key not in self._loaded:
            part = next(part for part in self._slices if key in part)
            self._loaded.clear()
            values = self._run([self._keys[k] for k in part])
            self._loaded = {k: values[self._keys[k]] for k in part}
        return self._loaded.pop(key)


def _sliced(keys: Mapping[str, str], sizes: Mapping[str, int]) -> list[list[str]]:
    slices: list[list[str]] = []
    room = 0
    for key in keys:
        size = sizes.get(key, 0)
        if not slices or size > room:
            slices.append([])
            room = SLICE
        slices[-1].append(key)
        room -= size
    return slices
