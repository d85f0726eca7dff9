"""What a net is to Caffe, read for a file that somebody else made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_bn_convert.arguments import weight_files
from caffe_bn_convert.caffe import caffemodel
from caffe_bn_convert.caffe.prototxt import read_net
from caffe_bn_convert.caffe.state import filter_state, phase_of
from caffe_bn_convert.caffe.upgrade import upgrade
from caffe_bn_convert.errors import RefusedError, Where, at
from caffe_bn_convert.net.dialects import take_dialects
from caffe_bn_convert.net.losses import leave_out_losses, name_losses
from caffe_bn_convert.net.weights import locate
from caffe_bn_convert.verify.oracle import LAYERS
from caffe_bn_convert.verify.oracle.crops import placed
from caffe_bn_convert.verify.walk import Caffe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffe_bn_convert.arguments import PathLike
    from caffe_bn_convert.caffe.definition import LayerDefinition, NetDefinition
    from caffe_bn_convert.verify.oracle.layer import Rule


def caffe_of(
    prototxt: PathLike,
    weights: PathLike | Sequence[PathLike] | None = None,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    keep_losses: bool = False,
    oracle: Mapping[str, Rule] | None = None,
    dialects: Mapping[str, str] | None = None,
) -> Caffe:
    """Read a net as Caffe does, up to where shapes are inferred; nothing is converted.

    Args:
        prototxt, weights, phase, level, stages, keep_losses, oracle, dialects: as for :func:`caffe_bn_convert.convert`.

    Raises:
        UnreadableError: a file cannot be read for what it should be.
        InvalidNetError: Caffe would refuse the net.
        RefusedError: there are no weights, and layers that are nothing without.
        UsageError: there is no such layer or dialect.
    """
    sources = [caffemodel.read(path) for path in weight_files(weights)]
    net = upgrade(read_net(prototxt))
    phase = phase_of(net, phase)
    net = filter_state(net, phase, level, tuple(stages))
    net = name_losses(net) if keep_losses else leave_out_losses(net)[0]
    net = take_dialects(net, dialects or {})
    if not sources:
        _require_no_weights(net)
    return Caffe(placed(net), locate(net, sources).blobs, phase, {**LAYERS, **(oracle or {})})


def _require_no_weights(net: NetDefinition) -> None:
    """A net whose layers are all zeros without weights is a forgotten argument: nothing would be proven by it."""
    layer = next((layer for layer in net.layers if _is_learned(layer)), None)
    if layer is None:
        return
    with at(Where(file=net.file)), at(layer.where()):
        raise RefusedError(
            "it needs weights, and none were given",
            hint="give the .caffemodel between the .prototxt and the .onnx",
            code="NET001 missing-weights:",
        )


def _is_learned(layer: LayerDefinition) -> bool:
    parameter = layer.parameter
    if layer.type in ("Convolution", "Deconvolution"):
        return not parameter.convolution_param.HasField("weight_filler")
    if layer.type == "InnerProduct":
        return not parameter.inner_product_param.HasField("weight_filler")
    return layer.type == "BatchNorm"
