"""Rules about what Caffe computes and ONNX cannot hold: ``--allow`` takes the nearest thing that can be converted."""

from __future__ import annotations

from caffe_bn_convert.lint.rule import Rule

_WAY = """layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 5 kernel_size: 3 pad: 20 } }
layer { name: "crop" type: "Crop" bottom: "c" bottom: "data" top: "crop" %s}
"""
RULES = (
    Rule(
        code="CROP001",
        name="crop-without-offset",
        severity="error",
        what="A Crop without crop_param, for which two versions of Caffe have two offsets.",
        why="In the branch of Caffe with which FCN, HED and U-Net were trained, Crop works its offset out from the kernels, "
        "strides and pads between its bottoms, so that the same pixels of the picture lie on each other. BVLC's Caffe has "
        "begun at 0 since Crop came into it, unless crop_param tells an offset. Nothing in such a net says which it was "
        "trained with, and the wrong one shifts the result.",
        hint="--dialect Crop=fcn takes the offset that is worked out, --dialect Crop=bvlc 0; --allow CROP001 converts as BVLC's "
        "Caffe runs it",
        bad=_WAY % "",
        good=_WAY % "crop_param { axis: 2 offset: 19 } ",
        stops=True,
    ),
    Rule(
        code="DROP001",
        name="dropout-samples-when-testing",
        severity="error",
        what="A Dropout draws at random at test time, too (sample_weights_test: true, or ENet's Python layer for training).",
        why="Bayesian SegNet runs one picture many times, each time with other neurons left out, and takes mean and variance "
        "of the results. What a single run gives is random, so there is nothing to prove. Its authors name the "
        "alternative: weight averaging, where Dropout is the identity, since Caffe scales while it trains. One run then "
        "gives a result near the mean of the samples, and no variance. ENet's SpatialDropoutLayer is told its phase by "
        "its own param_str, and so draws in every phase of a net that trains.",
        hint="--allow DROP001 converts the net with weight averaging: Dropout does nothing, and nothing is sampled",
        bad='layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" dropout_param { sample_weights_test: true } }\n',
        good='layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" dropout_param { sample_weights_test: false } }\n',
        stops=True,
    ),
    Rule(
        code="QUANT001",
        name="quantised-when-testing",
        severity="error",
        what="A layer is quantised to integers at run time (quantization_param).",
        why="Intel's Caffe takes the weights of the float32 net, but computes such a layer in 8-bit integers by the scales that "
        "calibration put into the prototxt. The float32 net gives other numbers, as a rule better ones; those of the "
        "integers are not converted, nor proven.",
        hint="--allow QUANT001 converts the float32 net that these weights belong to, as if quantization_param were not there; "
        "its results are not those of the integers",
        bad='layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"\n'
        "  convolution_param { num_output: 5 kernel_size: 3 }\n"
        "  quantization_param { bw_params: 8 scale_in: 63.5 scale_out: 31.7 scale_params: 127 } }\n",
        good='layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"\n'
        "  convolution_param { num_output: 5 kernel_size: 3 } }\n",
        stops=True,
    ),
)
