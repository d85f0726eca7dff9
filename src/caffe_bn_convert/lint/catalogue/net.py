"""Rules about the net as a whole: its inputs, its purpose, its fields, and its weights."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

_CONV = 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 kernel_size: 3'

RULES = (
    Rule(
        code="NET001",
        name="missing-weights",
        severity="error",
        what="The weights have no blobs for a layer that learns.",
        why="Layers and weights are matched by name. Where no name matches, Caffe says nothing and keeps what the filler made: "
        "zeros, or random numbers.",
        hint="give the right weights file; --allow NET001 takes Caffe's default",
        bad='weights = {"conv_1": [kernel, bias]}  # the prototxt calls it "conv"\n',
        good='weights = {"conv": [kernel, bias]}\n',
        stops=True,
        needs="weights",
    ),
    Rule(
        code="NET002",
        name="filled-weights",
        severity="info",
        what="The weights have no blobs for a layer, but the prototxt gives it a filler that is not random.",
        why="Caffe computes with the filler's values, and so does the conversion. It is common for upsampling by a "
        "Deconvolution that was never trained.",
        hint="deterministic, and what Caffe does",
        bad='layer { name: "scale" type: "Scale" bottom: "data" top: "scale"\n'
        '  scale_param { filler { type: "constant" value: 2 } } }\n# weights = {}\n',
        good='layer { name: "scale" type: "Scale" bottom: "data" top: "scale"\n'
        '  scale_param { filler { type: "constant" value: 2 } } }\n# weights = {"scale": [factor]}\n',
        needs="weights",
    ),
    Rule(
        code="NET003",
        name="unknown-field",
        severity="error",
        what="A field that neither Caffe nor any fork that we know has.",
        why="Caffe refuses the file. Readers that skip unknown fields lose what was meant: a misspelt pad is a pad of 0.",
        hint="its meaning may change the result; remove it, or --allow NET003 to ignore it",
        bad=_CONV + " padd: 1 } }\n",
        good=_CONV + " pad: 1 } }\n",
        stops=True,
    ),
    Rule(
        code="NET012",
        name="weights-do-not-fit",
        severity="error",
        what="The blobs in the weights have other shapes, or another number, than the layer needs.",
        why="Caffe stops when it loads them. Old tools took them anyway, and read beyond their end or in the wrong order.",
        hint="the prototxt and the weights do not belong together; compare num_output, kernel_size and group",
        bad='# num_output: 5 on 3 channels, kernel_size: 3\nconv["kernel"].shape == (7, 3, 3, 3)\n',
        good='# num_output: 5 on 3 channels, kernel_size: 3\nconv["kernel"].shape == (5, 3, 3, 3)\n',
        needs="weights",
    ),
    Rule(
        code="NET013",
        name="unused-weights",
        severity="info",
        what="The weights have layers that the net does not.",
        why="Caffe ignores them. It is usual for losses and for nets that were cut off, and it is how a misspelt name shows.",
        hint="compare the names with those of layers that have no weights",
        bad='weights = {"conv": [kernel, bias], "fc_old": [matrix]}\n',
        good='weights = {"conv": [kernel, bias]}\n',
        needs="weights",
    ),
    Rule(
        code="NET014",
        name="no-input",
        severity="error",
        what="The net has neither an Input nor a data layer for what its first layers read.",
        why="A part of a net is no net: Caffe stops at the first unknown bottom. A shape is needed to tell that of "
        "everything else.",
        hint="add an Input layer; --fix does so where the shape is known (--shape NAME=1x3x224x224, a data layer of the "
        "other phase, the training net, or an InnerProduct's weights)",
        bad='layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n',
        good='layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }\n'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n',
        fixable=True,
    ),
    Rule(
        code="NET015",
        name="not-convertible",
        severity="info",
        what="A layer type, or one of its parameters, has no rendering in ONNX.",
        why="`convert` stops at it. What comes behind has no known shape, so rules that need shapes pass over it.",
        hint="`caffe-bn-convert layers` lists what can be converted; a plug-in can add a layer type",
        bad='layer { name: "mine" type: "Python" bottom: "data" top: "mine" }\n',
        good='layer { name: "mine" type: "ReLU" bottom: "data" top: "mine" }\n',
    ),
    Rule(
        code="NET016",
        name="refused-by-caffe",
        severity="error",
        what="Caffe refuses to set this layer up.",
        why="A parameter is missing or contradicts another, or a bottom has a shape that the layer cannot take.",
        hint="correct the layer, or the shape of the input",
        bad='layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { stride: 2 } }\n',
        good='layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }\n',
    ),
    Rule(
        code="NET017",
        name="differs-from-training",
        severity="warning",
        what="A layer has other parameters than in the training net, or is not in it.",
        why="The weights belong to the net that was trained. Caffe matches them by name and shape only: another pad, stride "
        "or dilation fits the weights and gives other numbers.",
        hint="write the deploy net's layers as the training net has them",
        bad="# deploy.prototxt; train_val.prototxt says pad: 1\n" + _CONV + " } }\n",
        good="# deploy.prototxt; train_val.prototxt says pad: 1\n" + _CONV + " pad: 1 } }\n",
        needs="train",
    ),
    Rule(
        code="POOL001",
        name="empty-pooling-window",
        severity="error",
        what="A pooling window lies wholly outside the image.",
        why="Caffe rounds the number of windows up. With a stride above the kernel and no padding the last window may hold "
        "nothing at all: MAX gives -3.4e38 there, AVE divides 0 by 0. Other frameworks leave the window out.",
        hint="Caffe gives -3.4e38 (MAX) or NaN (AVE) there; --allow POOL001 does the same",
        bad='layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 1 stride: 5 } }\n',
        good='layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }\n',
        stops=True,
    ),
    Rule(
        code="TRAIN001",
        name="training-net",
        severity="warning",
        what="This net is for training: it has data layers or losses, or normalises by the statistics of the batch.",
        why="For deployment the input is an Input layer, the losses go, and BatchNorm uses the stored statistics. `convert` "
        "takes a training net, leaves the losses out and turns data layers into inputs, but needs to be told their shape.",
        hint="`caffe-bn-convert deploy` makes a net for deployment of it; --phase TRAIN lints it as a net for training",
        bad='layer { name: "data" type: "Data" top: "data" top: "label"\n'
        "  transform_param { crop_size: 9 } data_param { batch_size: 2 } }\n"
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n',
        good='layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 9 } } }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }\n'
        'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n',
    ),
)
