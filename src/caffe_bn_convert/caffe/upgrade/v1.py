"""V1 to V2: types become strings, and what belongs to one blob stands together in a ``param``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.prototxt import Block, Unknown, bind
from caffe_bn_convert.caffe.upgrade.form import is_v1

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}

_FORK_TYPES = {
    "BATCH_NORM": "BatchNorm",
    "BIAS": "Bias",
    "BN": "BN",
    "DETECTION_OUTPUT": "DetectionOutput",
    "ELU": "ELU",
    "EMBED": "Embed",
    "INPUT": "Input",
    "INTERP": "Interp",
    "LOG": "Log",
    "PADDING": "Padding",
    "PARAMETER": "Parameter",
    "PERMUTE": "Permute",
    "PRELU": "PReLU",
    "PRIORBOX": "PriorBox",
    "PRIOR_BOX": "PriorBox",
    "PSROI_POOLING": "PSROIPooling",
    "PYTHON": "Python",
    "REDUCTION": "Reduction",
    "RELU6": "ReLU6",
    "REORG": "Reorg",
    "RESHAPE": "Reshape",
    "ROIPOOLING": "ROIPooling",
    "ROI_POOLING": "ROIPooling",
    "SCALE": "Scale",
    "SHUFFLE_CHANNEL": "ShuffleChannel",
    "SPP": "SPP",
    "TILE": "Tile",
    "UNPOOLING": "Unpooling",
    "UPSAMPLE": "Upsample",
}
"""V1 types of forks that have one meaning. CROP and NORMALIZE have two and more."""

_PER_BLOB = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
"""V1's lists over a layer's blobs, and the fields of ``ParamSpec`` that they became."""


def v1_to_v2(net: NetDefinition) -> NetDefinition:
    """Turn V1 layers into V2 layers.

    Types that only forks have get the name that the forks gave them later, or else keep their word (``MAT_READ``).
    Fields that V1 never had but V2 has (``bn_param`` in a fork's V1 layer) are read as V2's.
    """
    return replace(net, layers=tuple(_upgrade(layer) if is_v1(layer) else layer for layer in net.layers))


def _upgrade(layer: LayerDefinition) -> LayerDefinition:
    old = layer.parameter
    new: Any = schema.message("LayerParameter")()
    known = new.DESCRIPTOR.fields_by_name
    for field, value in old.ListFields():
        if field.name in _PER_BLOB or field.name == "type" or field.name not in known:
            continue
        target = getattr(new, field.name)
        if hasattr(target, "extend"):
            target.extend(value)
        elif hasattr(target, "CopyFrom"):
            target.CopyFrom(value)
        else:
            setattr(new, field.name, value)
    _add_params(new, old)
    unknown = _bind_later(layer, new)
    if old.HasField("type") or any(field.path == "type" for field in layer.unknown):
        new.type = _type(layer.type, new)
    return replace(layer, parameter=new, unknown=unknown)


def _add_params(new: Any, old: Any) -> None:
    for old_name, name in _PER_BLOB.items():
        for index, value in enumerate(getattr(old, old_name)):
            if index == len(new.param):
                new.param.add()
            setattr(new.param[index], name, value)


def _bind_later(layer: LayerDefinition, new: Any) -> tuple[Unknown, ...]:
    """Fill in the fields that only V2 knows; return what V2 does not know."""
    if layer.text is None:
        return ()
    top = [field.field for field in layer.unknown if "." not in field.path and field.path != "type"]
    inner = [field for field in layer.unknown if "." in field.path]
    gone = {field.name for field, _ in layer.parameter.ListFields()} - {*_PER_BLOB, *new.DESCRIPTOR.fields_by_name}
    top += [field for field in layer.text.fields if field.name in gone]
    return (*inner, *bind(Block(layer.text.source, layer.text.offset, tuple(top)), new))


def _type(word: str, new: Any) -> str:
    if word == "CROP" and new.HasField("crop_param"):
        return "Crop"  # without parameters this is FCN's, which works its offset out from the layers before it
    return _TYPES.get(word, _FORK_TYPES.get(word, word))
