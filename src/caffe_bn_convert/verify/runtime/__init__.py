"""onnxruntime as the defendant: sessions that run what they claim to run."""

from __future__ import annotations

import onnxruntime

from caffe_bn_convert.verify.runtime.exposed import ExposedModel, made
from caffe_bn_convert.verify.runtime.kernels import naming_the_highest_opset
from caffe_bn_convert.verify.runtime.providers import Provider, resolve
from caffe_bn_convert.verify.runtime.session import Port, Session

onnxruntime.disable_telemetry_events()  # some builds report how they are used

__all__ = ["ExposedModel", "Port", "Provider", "Session", "made", "naming_the_highest_opset", "resolve"]
