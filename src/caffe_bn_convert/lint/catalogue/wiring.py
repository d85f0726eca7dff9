"""Rules about who reads and who makes which blob."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

_RELU = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n'

RULES = (
    Rule(
        code="NET004",
        name="overwrites-what-was-read",
        severity="error",
        what="A layer works in place on a blob that another layer has read before.",
        why='Caffe refuses it ("produced by multiple sources"): it gives each of several readers a copy, so that the blob '
        "is no longer there to be overwritten.",
        hint="give its top a name of its own",
        bad='layer { name: "first" type: "TanH" bottom: "data" top: "first" }\n'
        'layer { name: "side" type: "Power" bottom: "first" top: "side" }\n'
        'layer { name: "relu" type: "ReLU" bottom: "first" top: "first" }\n'
        'layer { name: "sum" type: "Eltwise" bottom: "first" bottom: "side" top: "sum" }\n',
        good='layer { name: "first" type: "TanH" bottom: "data" top: "first" }\n'
        'layer { name: "side" type: "Power" bottom: "first" top: "side" }\n'
        'layer { name: "relu" type: "ReLU" bottom: "first" top: "relu" }\n'
        'layer { name: "sum" type: "Eltwise" bottom: "relu" bottom: "side" top: "sum" }\n',
    ),
    Rule(
        code="NET005",
        name="cannot-work-in-place",
        severity="error",
        what="A layer works in place that cannot.",
        why="Most layers write their top before they have read all of their bottom. Flatten, Reshape and AbsVal say so and stop; "
        "Convolution, Pooling, LRN, InnerProduct or a summing Eltwise silently compute with half-overwritten numbers. "
        "Layers that work element by element (ReLU, Dropout, BatchNorm, Scale, ...) may work in place.",
        hint="give its top a name of its own",
        bad=_RELU + 'layer { name: "norm" type: "LRN" bottom: "relu" top: "relu" }\n',
        good=_RELU + 'layer { name: "norm" type: "LRN" bottom: "relu" top: "norm" }\n',
    ),
    Rule(
        code="NET006",
        name="overwrites-the-input",
        severity="warning",
        what="A layer works in place on an input of the net.",
        why="After a forward pass the input blob no longer holds what was fed: running the net again without filling it gives "
        "another result, and so does looking at the input afterwards.",
        hint="give its top a name of its own",
        bad='layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }\n',
        good=_RELU,
    ),
    Rule(
        code="NET007",
        name="unread-input",
        severity="warning",
        what="No layer reads an input of the net.",
        why="Caffe makes it an output as well. It is often a label that the deploy net does not need, or a misspelt bottom.",
        hint="remove it, or let the right layer read it",
        bad='layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }\n' + _RELU,
        good=_RELU,
    ),
    Rule(
        code="NET008",
        name="dead-end",
        severity="info",
        what="No layer reads this blob, and its layer is of a type that nets seldom end in.",
        why="Caffe makes every unread blob an output of the net. Behind a Pooling, a Split or a BatchNorm that is more often a "
        "branch that was cut off or a misspelt bottom than something to look at.",
        hint="remove the layer, or let the right layer read it",
        bad='layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 3 } }\n'
        + _RELU
        + 'layer { name: "prob" type: "Softmax" bottom: "relu" top: "prob" }\n',
        good=_RELU + 'layer { name: "prob" type: "Softmax" bottom: "relu" top: "prob" }\n',
    ),
    Rule(
        code="NET009",
        name="same-layer-name",
        severity="warning",
        what="Two layers that exist in the same state have the same name.",
        why="Weights are matched by name, and Caffe gives them to the first layer of that name only; the other keeps what its "
        "filler made.",
        hint="rename one of them, as the weights have it",
        bad=_RELU + 'layer { name: "relu" type: "TanH" bottom: "relu" top: "tanh" }\n',
        good=_RELU + 'layer { name: "tanh" type: "TanH" bottom: "relu" top: "tanh" }\n',
    ),
    Rule(
        code="NET010",
        name="same-top",
        severity="error",
        what="Two layers make the same blob.",
        why='Caffe refuses it ("produced by multiple sources"), unless the second works in place on it. It is usual where an '
        "include rule was lost.",
        hint="give the top another name; if the two layers belong to different phases, give both an include rule",
        bad=_RELU + 'layer { name: "tanh" type: "TanH" bottom: "data" top: "relu" }\n',
        good=_RELU + 'layer { name: "tanh" type: "TanH" bottom: "data" top: "tanh" }\n',
    ),
    Rule(
        code="NET011",
        name="unknown-bottom",
        severity="error",
        what="A layer reads a blob that no layer above it makes.",
        why='Caffe refuses it ("Unknown bottom blob"). Layers stand in the order in which they are computed.',
        hint="check the spelling, the order of the layers, and include rules of the layer that makes it",
        bad=_RELU + 'layer { name: "tanh" type: "TanH" bottom: "relu1" top: "tanh" }\n',
        good=_RELU + 'layer { name: "tanh" type: "TanH" bottom: "relu" top: "tanh" }\n',
    ),
)
