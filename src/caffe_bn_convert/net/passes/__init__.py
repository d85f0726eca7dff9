"""The passes, in the order in which they run; each takes a graph and gives a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.net.passes.drop_identity import drop_identity
from caffe_bn_convert.net.passes.drop_unread import drop_unread
from caffe_bn_convert.net.passes.fold_batchnorm import fold_batchnorm

if TYPE_CHECKING:
    from collections.abc import Callable

    from caffe_bn_convert.net.ir import Graph

PASSES: tuple[Callable[[Graph], Graph], ...] = (drop_unread, drop_identity, fold_batchnorm)

__all__ = ["PASSES", "drop_identity", "drop_unread", "fold_batchnorm"]
