"""The layer types that we convert: one table, from families to the types in them."""

from __future__ import annotations

from caffe_bn_convert.layers.families import Families

LAYERS = Families(
    {
        "inputs": ("Input",),
        "data": ("Data", "ImageData", "WindowData", "HDF5Data", "AnnotatedData", "VideoData", "MemoryData", "DummyData",
                 "Parameter"),
        "conv": ("Convolution", "Deconvolution"),
        "depthwise": ("DepthwiseConvolution", "ConvolutionDepthwise"),
        "pool": ("Pooling",),
        "norm": ("BatchNorm", "Scale", "Bias"),
        "rectifier": ("ReLU", "ReLU6", "PReLU", "ELU"),
        "activation": ("Sigmoid", "TanH", "AbsVal", "BNLL", "Clip", "Threshold", "Swish"),
        "dropout": ("Dropout", "SeLUDropout", "SeLuDropout"),
        "power": ("Power", "Exp", "Log"),
        "dense": ("InnerProduct", "Embed"),
        "eltwise": ("Eltwise",),
        "join": ("Concat", "Slice", "Split", "Silence", "Filter", "BatchReindex"),
        "shape": ("Reshape", "Flatten", "Crop", "Tile", "Permute"),
        "channels": ("Im2col", "Axpy", "ShuffleChannel"),
        "softmax": ("Softmax",),
        "reduce": ("ArgMax", "Reduction"),
        "statistics": ("MVN", "LRN", "Normalize"),
        "grn": ("GRN",),
        "pyramid": ("SPP", "ICNetSubgraph"),
        "detect": ("PriorBox", "PriorBoxClustered", "DetectionOutput", "DetectionOutputExtended", "YoloDetectionOutput",
                   "Yolov3DetectionOutput", "RegionYolo", "Proposal", "Python"),
        "cascade": ("BoxOutput", "BoxGroupOutput", "DecodeBBox", "FrcnnOutput", "ScaleRoute"),
        "recurrent": ("LSTM", "RNN"),
        "lstm_forks": ("Lstm",),
        "conv_lstm": ("ConvLSTM",),
        "bilinear_pooling": ("SumPooling", "SignedSqrt", "L2Normalize"),
        "group_norm": ("GroupNorm",),
        "mask_resize": ("MaskResize",),
        "mosaic": ("Division", "Combination"),
        "colinear": ("COLINEAR_CONVOLUTION",),
        "unpooling": ("Unpooling",),
        "blocks": ("NdConvolution", "NdPooling", "Pooling3D"),
        "openpose": ("ImResize", "Switch"),
        "peaks": ("Nms",),
        "sampler": ("SpatialTransformer",),
        "loss": ("Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
                 "SigmoidCrossEntropyLoss", "SoftmaxWithLoss"),
        "bilinear": ("BilinearInterpolation",),
        "resample": ("Interp", "Upsample", "UpsampleDarknet"),
        "roi": ("ROIPooling", "PSROIPooling", "ROIAlign", "ROIWarping"),
        "norm_forks": ("BN",),
        "noise": ("LabelSpecificAdd", "Noise"),
        "smooth": ("HardSwish", "Mish", "SeLU", "SeLu"),
        "broadcast": ("Add", "Mul", "Maximum", "MaskPooling", "ChannelScale"),
        "axes": ("Squeeze", "Transpose", "Reverse", "Flip", "Gather", "CropCenter"),
        "border": ("Padding", "Pad", "SpaceToBatchND", "BatchToSpaceND"),
        "space": ("DepthToSpace", "Reorg", "SpaceToDepth"),
        "resize": ("ResizeBilinear", "ResizeNearestNeighbor"),
        "flow": ("Resample", "FlowWarp", "Correlation"),
    }
)  # fmt: skip
"""Every layer type by Caffe's name. Add your own with ``LAYERS | {"MyLayer": MyLayer}``."""

__all__ = ["LAYERS", "Families"]
