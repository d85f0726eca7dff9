"""V0 to V1: one flat message for every type becomes a message a type."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.upgrade.form import is_v0, refusal

if TYPE_CHECKING:
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition

_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_MESSAGES = {
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "hdf5_output": "hdf5_output_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}
"""Where the fields of a type went."""

_FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "num_output": ("num_output", ("conv", "innerproduct")),
    "biasterm": ("bias_term", ("conv", "innerproduct")),
    "weight_filler": ("weight_filler", ("conv", "innerproduct")),
    "bias_filler": ("bias_filler", ("conv", "innerproduct")),
    "pad": ("pad", ("conv", "pool")),
    "kernelsize": ("kernel_size", ("conv", "pool")),
    "group": ("group", ("conv",)),
    "stride": ("stride", ("conv", "pool")),
    "pool": ("pool", ("pool",)),
    "dropout_ratio": ("dropout_ratio", ("dropout",)),
    "local_size": ("local_size", ("lrn",)),
    "alpha": ("alpha", ("lrn",)),
    "beta": ("beta", ("lrn",)),
    "k": ("k", ("lrn",)),
    "source": ("source", ("data", "hdf5_data", "images", "window_data", "infogain_loss")),
    "batchsize": ("batch_size", ("data", "hdf5_data", "images", "window_data")),
    "rand_skip": ("rand_skip", ("data", "images")),
    "shuffle_images": ("shuffle", ("images",)),
    "new_height": ("new_height", ("images",)),
    "new_width": ("new_width", ("images",)),
    "concat_dim": ("concat_dim", ("concat",)),
    "det_fg_threshold": ("fg_threshold", ("window_data",)),
    "det_bg_threshold": ("bg_threshold", ("window_data",)),
    "det_fg_fraction": ("fg_fraction", ("window_data",)),
    "det_context_pad": ("context_pad", ("window_data",)),
    "det_crop_mode": ("crop_mode", ("window_data",)),
}
"""V0's fields: their later name, and the types that they mean something for. Elsewhere Caffe ignores them."""

_TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
"""V0's fields that went to ``transform_param``, whatever the type."""

_KEPT = ("blobs", "blobs_lr", "weight_decay")


def v0_to_v1(net: NetDefinition) -> NetDefinition:
    """Turn V0 layers into V1 layers.

    Raises:
        InvalidNetError: a type that V0 does not have.
    """
    if not any(is_v0(layer) for layer in net.layers):
        return net
    parameter = schema.message("NetParameter")()
    for name in ("name", "input", "input_dim", "force_backward"):  # Caffe forgets the rest here
        _put(parameter, name, net.parameter)
    return replace(net, parameter=parameter, layers=tuple(_upgrade(net, layer) for layer in net.layers))


def _upgrade(net: NetDefinition, layer: LayerDefinition) -> LayerDefinition:
    old = layer.parameter.layer
    new: Any = schema.message("V1LayerParameter")()
    _put(new, "bottom", layer.parameter)
    _put(new, "top", layer.parameter)
    for name in ("name", *_KEPT):
        _put(new, name, old)
    if old.HasField("type"):
        if old.type not in _TYPES:
            raise refusal(net, layer, f'V0 has no layer type "{old.type}"')
        new.type = new.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_name[_TYPES[old.type]].number
    for name, target in _TRANSFORMS.items():
        if old.HasField(name):
            _put(new.transform_param, target, old, name)
    for name, (target, types) in _FIELDS.items():
        if old.HasField(name) and old.type in types:
            _put(getattr(new, _MESSAGES[old.type]), target, old, name)
    if old.HasField("hdf5_output_param") and old.type == "hdf5_output":
        _put(new, "hdf5_output_param", old)
    return replace(layer, parameter=new)


def _put(new: Any, name: str, old: Any, old_name: str | None = None) -> None:
    """Copy a field, if it is set; what was one value may have become a list."""
    value = getattr(old, old_name or name)
    field = getattr(new, name)
    if hasattr(field, "extend"):
        field.extend(value if hasattr(value, "extend") else [value])
    elif old.HasField(old_name or name):
        if isinstance(field, Message):
            field.CopyFrom(value)
        else:
            setattr(new, name, value)
