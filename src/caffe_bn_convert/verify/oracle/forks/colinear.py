"""``COLINEAR_CONVOLUTION`` of exp_caffe: a quadratic form of every patch, a convolution and a bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffe_bn_convert.errors import InvalidNetError
from caffe_bn_convert.verify.oracle.correlate import windows
from caffe_bn_convert.verify.oracle.fields import fields
from caffe_bn_convert.verify.oracle.filler import weight
from caffe_bn_convert.verify.oracle.layer import expect

if TYPE_CHECKING:
    from caffe_bn_convert.verify.oracle.layer import Array, Blobs, Layer


def colinear_convolution(layer: Layer, bottoms: list[Array], blobs: Blobs) -> list[Array]:
    """colineconv_layer.cpp of that fork: rows of the patch go by channel, then row, then column; always three blobs."""
    expect(layer, bottoms, 1)
    p, given, x = layer.parameter.colinear_convolution_param, fields(layer, "colinear_convolution_param"), bottoms[0]
    if x.ndim != 4 or any(given.values(name) not in ([], [0], [False]) for name in ("symmetric", "mask", "factor")):
        raise InvalidNetError("the plain layer on 4-D blobs is known here, without symmetric, mask and factor")
    kernel, outputs, groups = p.kernel_size, p.num_output, p.group
    patches = windows(x, (kernel,) * 2, (p.stride,) * 2, (p.pad,) * 2, (1, 1))
    n, (height, width) = len(x), patches.shape[4:]
    rows = x.shape[1] * kernel**2
    columns = patches.reshape(n, rows, height * width)
    top = np.zeros((n, outputs, height * width), layer.dtype)
    if p.quadratic_term:
        forms = weight(layer, blobs, 2, (outputs, rows, rows), p.quadratic_weight_filler)
        for m, form in enumerate(forms):
            top[:, m] += (columns * np.matmul(form, columns)).sum(1)
    if p.linear_term:
        part = rows // groups
        matrix = weight(layer, blobs, 1, (groups, outputs // groups, part), p.linear_weight_filler)
        top += np.matmul(matrix, columns.reshape(n, groups, part, -1)).reshape(top.shape)
    if p.bias_term:
        top += weight(layer, blobs, 0, (outputs, 1), p.bias_filler)
    return [top.reshape(n, outputs, height, width)]
