"""Rules about layers that forks of Caffe gave several meanings."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

RULES = (
    Rule(
        code="DIA001",
        name="dialect",
        severity="info",
        what="The layer's name has several meanings among the forks of Caffe, and its blobs told which one is meant.",
        why="BatchNorm and BN have two to five blobs in an order that differs from fork to fork. The number and the sizes of "
        "the blobs in the weights tell them apart, and the message says which fork's layer it was taken for.",
        hint="nothing to do, if it is the fork that trained the net",
        bad="bn.blobs = [scale, bias, mean, variance, one]\n",
        good="bn.blobs = [mean, variance, factor]\n",
        needs="weights",
    ),
)
