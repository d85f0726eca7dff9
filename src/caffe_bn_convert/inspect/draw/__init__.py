"""Drawings of a net, with its BatchNorm layers before and after folding."""

from caffe_bn_convert.inspect.draw.dot import as_dot
from caffe_bn_convert.inspect.draw.mermaid import as_mermaid
from caffe_bn_convert.inspect.draw.picture import Box, Edge, Picture, picture_of, pictures
from caffe_bn_convert.inspect.draw.svg import as_svg

__all__ = ["Box", "Edge", "Picture", "as_dot", "as_mermaid", "as_svg", "picture_of", "pictures"]
