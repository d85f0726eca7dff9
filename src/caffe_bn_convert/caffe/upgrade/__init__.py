"""Old forms of nets to today's, rule by rule as Caffe does when it loads a file (upgrade_proto.cpp).

    V0    layers { layer { name: "c" type: "conv" ... } }       2013
    V1    layers { name: "c" type: CONVOLUTION ... }            2014
    V2    layer { name: "c" type: "Convolution" ... }           since 2014

Every rule is a function from net to net: it makes new messages and leaves those it gets alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffe_bn_convert.caffe import schema
from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
from caffe_bn_convert.caffe.upgrade.batch_norm import freeze_batch_norm
from caffe_bn_convert.caffe.upgrade.inputs import inputs_to_layer
from caffe_bn_convert.caffe.upgrade.mixture import refuse_mixture
from caffe_bn_convert.caffe.upgrade.padding import fold_padding
from caffe_bn_convert.caffe.upgrade.transforms import move_transforms
from caffe_bn_convert.caffe.upgrade.v0 import v0_to_v1
from caffe_bn_convert.caffe.upgrade.v1 import v1_to_v2
from caffe_bn_convert.stages import stage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RULES", "upgrade", "upgrade_net_message"]

RULES: tuple[Callable[[NetDefinition], NetDefinition], ...] = (
    refuse_mixture,
    fold_padding,
    v0_to_v1,
    move_transforms,
    v1_to_v2,
    inputs_to_layer,
    freeze_batch_norm,
)
"""The rules, in Caffe's order."""


@stage("upgrade")
def upgrade(net: NetDefinition) -> NetDefinition:
    """Bring a net to today's form: every layer is a ``LayerParameter``, every top-level ``input`` an Input layer.

    Layers keep the text they came from and the unknown fields that are left.

    Raises:
        InvalidNetError: a net that Caffe refuses to upgrade.
    """
    for rule in RULES:
        net = rule(net)
    return net


def upgrade_net_message(message: Any, file: str = "<message>") -> Any:
    """Bring a ``NetParameter`` message, such as that of a caffemodel, to today's form; returns a new one.

    Raises:
        InvalidNetError: a net that Caffe refuses to upgrade.
    """
    rest = schema.message("NetParameter")()
    rest.CopyFrom(message)
    rest.ClearField("layer")
    rest.ClearField("layers")
    layers = tuple(LayerDefinition(layer) for layer in (*message.layer, *message.layers))
    upgraded = upgrade(NetDefinition(rest, layers, file))
    result = schema.message("NetParameter")()
    result.CopyFrom(upgraded.parameter)
    result.layer.extend(layer.parameter for layer in upgraded.layers)  # type: ignore[attr-defined]
    return result
