"""What the installed onnxruntime is too old for, or has not implemented: opsets, versions of the format, kernels."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import onnxruntime as ort

from caffe_bn_convert.errors import Problem, ProviderError
from caffe_bn_convert.export.opsets import MIN_OPSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffe_bn_convert.conversion import Conversion
    from caffe_bn_convert.export.model import Model

LACKS = {
    r"support for domain (?P<domain>\S+) is till opset (?P<opset>\d+)": "runs opsets of {domain} up to {opset}",
    r"max supported IR version: (?P<version>\d+)": "reads files up to IR version {version}",
    r"Could not find an implementation for (?P<op>\w+)\((?P<opset>\d+)\) node with name '(?P<node>.*)'": (
        'has no kernel for {op} as it is since opset {opset} (node "{node}")'
    ),
}
"""What onnxruntime says, and what we say after its name and version."""


class NotImplementedByRuntimeError(ProviderError):
    """The installed onnxruntime does not know an opset, or has no kernel for a node: nothing about the file is known."""


def lack(error: Exception) -> NotImplementedByRuntimeError | None:
    """Which lack of onnxruntime's its error tells of; None if it is about something else."""
    for pattern, sentence in LACKS.items():
        found = re.search(pattern, str(error))
        if found is not None:
            what = f"onnxruntime {ort.__version__} {sentence.format(**found.groupdict())}"
            return NotImplementedByRuntimeError(what, hint="try a newer onnxruntime")
    return None


@contextmanager
def naming_the_highest_opset(conversion: Conversion) -> Iterator[None]:
    """To errors about a lack of onnxruntime's, add the highest opset that the conversion does run at."""
    try:
        yield
    except NotImplementedByRuntimeError as error:
        opset = highest_opset(conversion)
        if opset is None:
            raise
        hint = f"the highest opset that works here is {opset}: add --opset {opset}, or try a newer onnxruntime"
        raise NotImplementedByRuntimeError(problems=[Problem(p.what, hint, p.where) for p in error.problems]) from error


def highest_opset(conversion: Conversion) -> int | None:
    """The highest opset below the conversion's at which the installed onnxruntime has a kernel for every node."""
    lower = range(conversion.opset - 1, MIN_OPSET - 1, -1)
    return next((opset for opset in lower if _runs(replace(conversion, opset=opset).model)), None)


def _runs(model: Model) -> bool:
    from caffe_bn_convert.export.model import skeleton

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        ort.InferenceSession(skeleton(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return lack(error) is None
    return True
