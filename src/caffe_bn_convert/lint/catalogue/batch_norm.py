"""Rules about how BatchNorm and Scale are written."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

RULES = (
    Rule(
        code="BN003",
        name="batchnorm-without-scale",
        severity="warning",
        what="No Scale or Bias reads what this BatchNorm makes.",
        why="Caffe's BatchNorm only normalises. The learned factor and shift of the paper are a Scale layer of their own; "
        "other frameworks have both in one layer, so the Scale is easily forgotten when a net is written down by hand.",
        hint="add a Scale with bias_term: true behind it, if the net was trained with one",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "relu" type: "ReLU" bottom: "bn" top: "relu" }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }\n'
        'layer { name: "relu" type: "ReLU" bottom: "scale" top: "relu" }\n',
    ),
    Rule(
        code="BN004",
        name="batch-statistics",
        severity="error",
        what="A net for deployment normalises by the statistics of the batch.",
        why="With use_global_stats: false mean and variance are those of the pictures that happen to be in the batch: the "
        "result for one picture depends on the others, and a batch of one gives something else again. That is right "
        "for training only. Left out, the field means false in TRAIN and true in TEST.",
        hint="the output would depend on the rest of the batch. `caffe-bn-convert deploy` writes a prototxt that uses "
        "the stored statistics; --allow BN004 computes those of the batch, as Caffe would",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { use_global_stats: false } }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { use_global_stats: true } }\n',
        stops=True,
        fixable=True,
    ),
    Rule(
        code="BN005",
        name="learned-statistics",
        severity="warning",
        what="A param of a BatchNorm has an lr_mult other than 0; left out, lr_mult is 1.",
        why="The three blobs are statistics, not parameters to learn. With exactly three params Caffe sets their rates to 0 "
        "when it reads the file; with one or two it refuses the net; old versions learned them, and ruined them.",
        hint="write param { lr_mult: 0 } three times, or none at all",
        bad='layer {\n  name: "bn" type: "BatchNorm" bottom: "data" top: "bn"\n'
        "  param { lr_mult: 1 }\n  param { lr_mult: 1 }\n  param { decay_mult: 0 }\n}\n",
        good='layer {\n  name: "bn" type: "BatchNorm" bottom: "data" top: "bn"\n'
        "  param { lr_mult: 0 }\n  param { lr_mult: 0 }\n  param { lr_mult: 0 decay_mult: 0 }\n}\n",
        fixable=True,
    ),
    Rule(
        code="BN006",
        name="scale-axis",
        severity="warning",
        what="The Scale behind a BatchNorm does not scale channel by channel.",
        why="BatchNorm works on axis 1. A Scale with another axis or num_axes has another number of factors; it is legal, "
        "but it cannot become part of one BatchNormalization, and it is seldom what was meant.",
        hint="leave axis and num_axes at 1 unless the net was trained like this",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { axis: 1 num_axes: 3 bias_term: true } }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { axis: 1 num_axes: 1 bias_term: true } }\n',
    ),
    Rule(
        code="BN007",
        name="scale-without-bias",
        severity="info",
        what="The Scale behind a BatchNorm has no bias.",
        why="bias_term is false unless the prototxt says otherwise. Batch normalisation as published has a shift; without it "
        "every channel is centred on 0. Weights with two blobs for this Scale will not fit.",
        hint="add bias_term: true if the weights hold two blobs for it",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }\n',
    ),
    Rule(
        code="BN008",
        name="small-eps",
        severity="warning",
        what="eps is below 1e-5.",
        why="cuDNN before 7.5 refused such an eps, and NVIDIA's Caffe silently raises it to 1e-5. Where a variance is of "
        "that size, the runtimes then disagree.",
        hint="keep the eps that the net was trained with; check the target if it uses an old cuDNN",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { eps: 1e-6 } }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { eps: 1e-5 } }\n',
    ),
    Rule(
        code="BN010",
        name="batchnorm-of-a-fork",
        severity="warning",
        what="This BatchNorm is written for a fork whose BatchNorm scales too (NVIDIA's, Intel's), or has that fork's blobs.",
        why="These forks put factor and shift into BatchNorm: five blobs instead of three, in two orders. BVLC Caffe does "
        "not know the fields, and a converter that takes the first three blobs for mean, variance and factor is wrong.",
        hint="say which fork trained the net; in BVLC Caffe the factor and the shift are a Scale layer",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { scale_bias: true } }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }\n',
    ),
    Rule(
        code="BN013",
        name="batchnorm-read-twice",
        severity="warning",
        what="Besides its Scale, another layer reads what this BatchNorm makes.",
        why="The other layer sees values that are normalised but not scaled. That is legal and is computed as written, but "
        "it is most often a bottom that should have been the Scale's top, and it keeps the two from becoming one layer.",
        hint="let the other layer read the Scale's top, if the net was trained like that",
        bad='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }\n'
        'layer { name: "sum" type: "Eltwise" bottom: "bn" bottom: "scale" top: "sum" }\n',
        good='layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }\n'
        'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "scale" top: "sum" }\n',
    ),
    Rule(
        code="BN015",
        name="batchnorm-differs-from-training",
        severity="warning",
        what="A BatchNorm has another eps than in the training net, or its Scale is in one of the two nets only.",
        why="The weights belong to the net that was trained. eps is part of the arithmetic, and a missing Scale loses a "
        "learned factor and shift without a word from Caffe.",
        hint="write the deploy net's BatchNorm and Scale as the training net has them",
        bad="# deploy.prototxt; train_val.prototxt says eps: 1e-4\n"
        'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n',
        good="# deploy.prototxt; train_val.prototxt says eps: 1e-4\n"
        'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { eps: 1e-4 } }\n',
        needs="train",
    ),
    Rule(
        code="BN016",
        name="stored-statistics-in-training",
        severity="warning",
        what="A BatchNorm that only exists in training says use_global_stats: true.",
        why="It then neither uses nor collects the statistics of the batches: it normalises by what is stored, which is 0 "
        "in a net that starts from nothing. That is right only for fine-tuning with frozen statistics.",
        hint="leave use_global_stats out: Caffe then does the right thing in either phase",
        bad='layer {\n  name: "bn" type: "BatchNorm" bottom: "data" top: "bn"\n  include { phase: TRAIN }\n'
        "  batch_norm_param { use_global_stats: true }\n}\n",
        good='layer {\n  name: "bn" type: "BatchNorm" bottom: "data" top: "bn"\n}\n',
    ),
)
