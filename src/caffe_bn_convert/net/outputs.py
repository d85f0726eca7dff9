"""Choosing the outputs: ending the net early, or showing blobs inside it."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from caffe_bn_convert.errors import InvalidNetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffe_bn_convert.net.ir import Graph


def expose_blobs(graph: Graph, until: Sequence[str], expose: Sequence[str]) -> Graph:
    """The graph with ``until`` as its only outputs, or with ``expose`` besides its own; in order of definition.

    Raises:
        UsageError: there is no such blob, or it is an input.
        InvalidNetError: the net has no outputs.
    """
    for name in (*until, *expose):
        _check(graph, name)
    if not graph.outputs and not until:
        raise InvalidNetError("it has no outputs: every blob is an input or read by a layer", hint="is it cut off?")
    if not until and not expose:
        return graph
    wanted = set(until or graph.outputs) | set(expose)
    return replace(graph, outputs=tuple(name for name in graph.shapes if name in wanted))


def _check(graph: Graph, name: str) -> None:
    if name in graph.inputs:
        raise UsageError(f'"{name}" is an input of the net, so it is no output')
    if name not in graph.shapes:
        near = difflib.get_close_matches(name, graph.shapes, n=3)
        raise UsageError(
            f'the net has no blob "{name}"',
            hint=f"did you mean {' or '.join(near)}?" if near else "`inspect` lists the blobs",
        )
