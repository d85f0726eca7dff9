"""Rules about the numbers that a BatchNorm has stored."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

RULES = (
    Rule(
        code="BN001",
        name="zero-scale-factor",
        severity="error",
        what="The third blob of a BatchNorm, the moving-average factor, is 0.",
        why="Mean and variance are stored multiplied by it. 0 means that no statistics were ever collected; Caffe then takes "
        "mean 0 and variance 0, so that everything is multiplied by 1/sqrt(eps), about 316. Some versions of NVIDIA's "
        "Caffe wrote 0 beside real statistics.",
        hint="Caffe takes mean 0 and variance 0 then; --allow BN001 does the same. Were the statistics ever accumulated?",
        bad='bn["factor"] = [0]\n',
        good='bn["factor"] = [999.98]\n',
        stops=True,
        needs="weights",
    ),
    Rule(
        code="BN002",
        name="bad-scale-factor",
        severity="error",
        what="The moving-average factor is negative, NaN or infinite.",
        why="It is a sum of ones, each weighted by a power of moving_average_fraction: between 0 and "
        "1/(1 - moving_average_fraction). Anything else comes from a damaged file or a wrong conversion.",
        hint="the third blob counts what was accumulated and is never negative or NaN in a sound file; --allow BN002",
        bad='bn["factor"] = [-1]\n',
        good='bn["factor"] = [1]\n',
        stops=True,
        needs="weights",
    ),
    Rule(
        code="BN009",
        name="bad-variance",
        severity="error",
        what="variance + eps is not above 0 in some channel.",
        why="Old versions of Caffe computed the variance as E(x²) - E(x)², which rounding can make negative. The square root "
        "is then NaN, and so is everything behind that channel.",
        hint="such channels give NaN in Caffe too; --allow BN009 keeps them",
        bad='bn["variance"] = [0.9, -0.1, 1.2]\n',
        good='bn["variance"] = [0.9, 0.1, 1.2]\n',
        stops=True,
        needs="weights",
    ),
    Rule(
        code="BN011",
        name="wrong-channel-count",
        severity="error",
        what="The stored statistics are for another number of channels than the bottom has.",
        why="Caffe refuses such weights. The prototxt and the weights are of two versions of the net.",
        hint="compare num_output of the layer above with the weights",
        bad='# the bottom has 3 channels\nbn["mean"].shape == (5,)\n',
        good='# the bottom has 3 channels\nbn["mean"].shape == (3,)\n',
        needs="weights",
    ),
    Rule(
        code="BN012",
        name="batchnorm-without-weights",
        severity="error",
        what="The weights have no blobs for a BatchNorm of the prototxt.",
        why="Either the names differ, or somebody merged BatchNorm into the convolutions of the weights but left it in the "
        "prototxt. Caffe says nothing and normalises by mean 0 and variance 0. `convert` stops at it as NET001.",
        hint="remove the layer if it was merged into the convolution; else check its name in the weights",
        bad='weights = {"conv": [kernel, bias]}\n',
        good='weights = {"conv": [kernel, bias], "bn": [mean, variance, factor]}\n',
        needs="weights",
    ),
    Rule(
        code="BN014",
        name="unsettled-statistics",
        severity="info",
        what="The moving-average factor is far from 1/(1 - moving_average_fraction), the value that it settles at.",
        why="Below it, fewer iterations were run than the average looks back over, and early batches weigh in; above it, the "
        "net was trained with another moving_average_fraction. The numbers are sound, they are only worth a look. A "
        "factor of exactly 1 is what other converters write and is not reported.",
        hint="train for longer, or let the net collect statistics with a learning rate of 0",
        bad='bn["factor"] = [95.2]  # moving_average_fraction: 0.999, so it settles at 1000\n',
        good='bn["factor"] = [999.98]\n',
        needs="weights",
    ),
    Rule(
        code="BN017",
        name="variance-below-eps",
        severity="warning",
        what="The variance of some channel is below eps.",
        why="Such a channel was constant in training: a dead filter in front of it. eps decides its size, and the tiniest "
        "difference in front of it is multiplied by up to 1/sqrt(eps).",
        hint="harmless if the Scale's factor is small there; otherwise the result is noise in that channel",
        bad='bn["variance"] = [0.9, 1e-9, 1.2]  # eps: 1e-5\n',
        good='bn["variance"] = [0.9, 0.1, 1.2]\n',
        needs="weights",
    ),
)
