"""Proving that an ONNX file computes what Caffe computes.

:func:`verify` takes a conversion, or what Caffe itself would make of the net (:class:`Caffe`), and an ONNX file, and
gives a :class:`Report`. docs/verification.md says how and why.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.errors import Problem, UsageError, VerificationError
from caffe_bn_convert.stages import stage
from caffe_bn_convert.verify.proof import Options, prove
from caffe_bn_convert.verify.report.model import Report
from caffe_bn_convert.verify.tolerance import Rule
from caffe_bn_convert.verify.walk import Caffe

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from caffe_bn_convert.conversion import Conversion

__all__ = ["Caffe", "Options", "Report", "Rule", "chosen", "failure", "verify"]


@stage("verify")
def verify(
    subject: Conversion | Caffe,
    model: str | os.PathLike[str],
    options: Options | None = None,
    *,
    name: str | None = None,
) -> Report:
    """Prove that ``model`` computes what Caffe computes.

    Args:
        subject: a conversion, of which ``model`` is the file, or a net for a file that somebody else made.
        model: the ONNX file.
        options: how; see :class:`Options`.
        name: how the report calls the file, if it lies under a temporary name.

    Returns:
        the report. A proof that failed is a report too: look at ``report.passed``.

    Raises:
        ProviderError: the provider that was asked for does not run the file, or the installed onnxruntime does not at
            this opset.
        UnsupportedError: the oracle does not know a layer.
        UsageError: inputs that do not fit.
    """
    options = options or Options()
    if not isinstance(subject, Caffe):
        from caffe_bn_convert.verify.ours import caffe_of, ours
        from caffe_bn_convert.verify.runtime import naming_the_highest_opset

        with naming_the_highest_opset(subject):
            report = prove(caffe_of(subject), Path(model), ours(subject, options))
    else:
        report = prove(subject, Path(model), options)
    return replace(report, model=name) if name is not None else report


def chosen(options: Options | None, choices: Mapping[str, Any]) -> Options:
    """The options with some of them changed by name.

    Raises:
        UsageError: there is no such option.
    """
    known = [field.name for field in fields(Options)]
    for name in choices:
        if name not in known:
            raise UsageError(f'verification has no option "{name}"', hint=f"there are {', '.join(known)}")
    return replace(options or Options(), **choices)


def failure(report: Report) -> VerificationError:
    """The error for a proof that failed; ``error.report`` has everything."""
    from caffe_bn_convert.verify.report.text import summary

    found = report.divergence
    problem = Problem(summary(report), where=found.where) if found is not None else Problem(summary(report))
    error = VerificationError(problems=(problem,))
    error.report = report
    return error
