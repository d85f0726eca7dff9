"""Prototxts: protobuf's text format, read by a parser of our own that keeps lines, columns and unknown fields.

    text ─ parse ─▶ Block (fields with positions) ─ bind ─▶ message
    file ─ read_net ─▶ NetDefinition (each layer a message beside its block; not upgraded yet)

Example::

    net = read_net("deploy.prototxt")
    for layer in net.layers:
        print(layer.where(), layer.type)
"""

from caffe_bn_convert.caffe.prototxt.bind import Unknown, bind
from caffe_bn_convert.caffe.prototxt.parser import MAX_DEPTH, parse
from caffe_bn_convert.caffe.prototxt.read import MAX_BYTES, parse_net, read_net
from caffe_bn_convert.caffe.prototxt.tree import Block, Field, Scalar

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "Block",
    "Field",
    "Scalar",
    "Unknown",
    "bind",
    "parse",
    "parse_net",
    "read_net",
]
