"""What a pass of the oracle costs, so that large nets get fewer inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.verify.oracle.values import plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffe_bn_convert.verify.walk import Caffe

BUDGET = 15e9
"""Multiplications that the inputs of a proof may cost together, where two inputs do not cost more."""

BYTES = 150
"""A number that is only moved and compared costs as much as so many multiplications."""

LAYER, BOTTOM = 1_000_000, 100_000
"""What a layer costs whatever its size, and each of its bottoms."""

MULTIPLYING = frozenset(
    {
        "Convolution",
        "Deconvolution",
        "ConvolutionDepthwise",
        "DepthwiseConvolution",
        "InnerProduct",
        "COLINEAR_CONVOLUTION",
    }
)


def multiplications(caffe: Caffe, sizes: Mapping[str, int]) -> int:
    """Multiplications of one pass, with what moves numbers counted as such.

    Args:
        caffe: the net.
        sizes: how many numbers each value has.
    """
    total = BYTES * sum(sizes.values())
    for step in plan(caffe.net).steps:
        total += LAYER + BOTTOM * len(step.bottoms)
        weights = max(filter(None, caffe.blobs[step.index]), key=lambda blob: blob.count, default=None)
        if weights is None or caffe.net.layers[step.index].type not in MULTIPLYING or not weights.shape:
            continue
        value = step.bottoms[0].key if caffe.net.layers[step.index].type == "Deconvolution" else step.tops[0]
        outputs = next((size for size in weights.shape if size > 1), 1)
        total += weights.count * max(1, sizes.get(value, 0) // outputs)
    return total


def affordable(caffe: Caffe, sizes: Mapping[str, int], most: int) -> int:
    """How many inputs of that size a proof can afford: at least 2."""
    return int(min(most, max(2, BUDGET // max(1, multiplications(caffe, sizes)))))
