"""Rules about the numbers in the weights."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

RULES = (
    Rule(
        code="WGT001",
        name="nan-or-infinity",
        severity="error",
        what="A blob holds NaN or infinity.",
        why="Everything that is computed from it is NaN or infinite. The training diverged, a half-precision file overflowed, or "
        "the file is damaged.",
        hint="take an earlier snapshot of the training",
        bad='conv["bias"] = [0.1, nan, 0.3, 0.4, 0.5]\n',
        good='conv["bias"] = [0.1, 0.2, 0.3, 0.4, 0.5]\n',
        needs="weights",
    ),
    Rule(
        code="WGT002",
        name="denormal-numbers",
        severity="info",
        what="A blob holds numbers that are not 0 but smaller than 1.2e-38.",
        why="Such denormal numbers come from weight decay on dead filters. Processors compute with them up to a hundred times "
        "more slowly, and GPUs and many runtimes take them for 0.",
        hint="harmless for the result; set them to 0 if the net is slow on a CPU",
        bad='conv["bias"] = [0.1, 1e-40, 0.3, 0.4, 0.5]\n',
        good='conv["bias"] = [0.1, 0.0, 0.3, 0.4, 0.5]\n',
        needs="weights",
    ),
    Rule(
        code="WGT003",
        name="dead-channels",
        severity="warning",
        what="Some output channels of a layer are constant: all numbers of their filter, or their factor, are 0.",
        why="The channel does not depend on the input. It was pruned or died in training; a few are usual, many mean that the "
        "weights are not those that were meant.",
        hint="harmless for the result; the net can be made smaller",
        bad='conv["kernel"][1] = 0\n',
        good='conv["kernel"][1] = ...  # anything else\n',
        needs="weights",
    ),
)
