"""What is in a net, its weights or an ONNX file.

Example::

    inspection = inspect_net("deploy.prototxt", ["net.caffemodel"])
    print(as_text(inspection))
"""

from caffe_bn_convert.inspect.model import Inspection, Parameter, Row, Statistics, Value
from caffe_bn_convert.inspect.net import inspect_net, inspect_weights
from caffe_bn_convert.inspect.recover import Recovered, recover
from caffe_bn_convert.inspect.show import as_data, as_text

__all__ = [
    "Inspection",
    "Parameter",
    "Recovered",
    "Row",
    "Statistics",
    "Value",
    "as_data",
    "as_text",
    "inspect_net",
    "inspect_weights",
    "recover",
]
