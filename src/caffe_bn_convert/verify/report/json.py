"""Reports as JSON. The schema is described in docs/verification.md; it only ever grows."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from caffe_bn_convert._version import __version__
from caffe_bn_convert.verify.report.model import SCHEMA

if TYPE_CHECKING:
    from caffe_bn_convert.verify.report.model import Report


def render(report: Report) -> str:
    """The report as a JSON object; numbers that JSON cannot hold are the strings "nan", "inf" and "-inf"."""
    return json.dumps(as_dict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return {"schema": SCHEMA, "generator": f"caffe-bn-convert {__version__}", **_plain(report)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
