"""The rules' functions: each looks at a net and yields what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.lint.checks import batch_norm, fields, inputs, numbers, statistics, training, wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caffe_bn_convert.lint.context import Context
    from caffe_bn_convert.lint.finding import Finding

CHECKS: tuple[Callable[[Context], Iterable[Finding]], ...] = (
    *batch_norm.CHECKS,
    *statistics.CHECKS,
    *fields.CHECKS,
    *inputs.CHECKS,
    *wiring.CHECKS,
    *training.CHECKS,
    *numbers.CHECKS,
)
